import { setTimeout as delay } from 'node:timers/promises';
import { GrpcClient } from '../infra/grpc/client';
import { GatewayService } from '../proto/gen/hifi/v1/gateway_pb';

/*
 * Watches one job with many streams: PORT JOB WATCHERS. Prints a line when each watcher has its
 * first event, and a line of JSON with each watcher's number of events when the job has ended.
 */

/** Streams per connection. */
const STREAMS = 50;

async function main(): Promise<void> {
  const [port, jobId, watchers] = process.argv.slice(2);
  const clients = Array.from(
    { length: Math.ceil(Number(watchers) / STREAMS) },
    () => new GrpcClient(`127.0.0.1:${port}`),
  );
  const counts = new Array<number>(Number(watchers)).fill(0);
  const all = counts.map(async (_, i) => {
    const stream = clients[i % clients.length].stream(GatewayService.method.watchJob, { jobId });
    for await (const _event of stream) counts[i]++;
  });
  while (counts.includes(0)) await delay(50);
  process.stdout.write('watching\n');
  await Promise.all(all);
  process.stdout.write(`${JSON.stringify(counts)}\n`);
  for (const client of clients) client.close();
}

void main();
