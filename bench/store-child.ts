import * as fs from 'node:fs';
import * as path from 'node:path';
import * as readline from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { LmdbStore } from '../gateway/lmdb-store';
import type { Happening } from '../gateway/record';
import { Scheduler } from '../gateway/scheduler';
import { gatewayService } from '../gateway/service';
import { FolderArtifacts } from '../infra/artifacts/folder-store';
import { Inputs } from '../infra/artifacts/inputs';
import { GrpcClient } from '../infra/grpc/client';
import { GrpcServer } from '../infra/grpc/server';
import { openLog } from '../infra/log';
import { GatewayService } from '../proto/gen/hifi/v1/gateway_pb';

/*
 * Parts of a gateway on a state directory. Reads commands from stdin and answers each with a line
 * of JSON:
 *   fill N            makes N ended jobs, with 16 artifacts and 30 events each
 *   epochs JOB N      commits N events of a job without a pause, then its end
 *   progress JOB N    commits N progress events, one every 260 ms; reports per event the CPU
 *                     milliseconds, the bytes of the values and the bytes of lmdb's pages
 *   memory            resident bytes
 */

const PROGRESS_MS = 260;
const refuse = () => {
  throw new Error('the job is refused');
};

const progress = (done: number): Happening => ({ kind: 'progress', stage: 'train', done, total: 1000, unit: 'steps' });

const epoch = (number: number): Happening => ({
  kind: 'epoch',
  epoch: { epoch: number, trainLoss: 0.5, dev: { accuracy: 0.5 }, seconds: 1 },
});

async function main(): Promise<void> {
  const stateDir = process.argv[2];
  const store = new LmdbStore(path.join(stateDir, 'jobs'), false);
  const artifacts = new FolderArtifacts(path.join(stateDir, 'artifacts'));
  const inputs = new Inputs({ store: artifacts, dataRoots: [], scratch: path.join(stateDir, 'scratch') });
  const attempt = async (_: unknown, signal: AbortSignal) => {
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
  };
  const scheduler = new Scheduler(store, attempt, openLog('gateway'));
  scheduler.start();
  const server = new GrpcServer({ host: '127.0.0.1', port: 0 });
  // Without an analyzer no model is checked.
  const analyzer = new GrpcClient('127.0.0.1:1');
  server.add(GatewayService, gatewayService({ store, artifacts, scheduler, analyzer, inputs, trainer: analyzer }));
  const work: Record<string, (...args: string[]) => Promise<unknown>> = {
    fill: (count) => fill(store, artifacts, Number(count)),
    async epochs(id, count) {
      for (let i = 1; i <= Number(count); i++) await store.note(id, epoch(i));
      await store.note(id, { kind: 'state', state: 'SUCCEEDED' });
      return {};
    },
    async progress(id, count) {
      const written = () => Number(/^wchar: (\d+)$/m.exec(fs.readFileSync('/proc/self/io', 'utf8'))?.[1]);
      const [bytes, cpu] = [written(), process.cpuUsage()];
      for (let i = 1; i <= Number(count); i++) {
        await store.note(id, progress(i));
        await delay(PROGRESS_MS);
      }
      const { user, system } = process.cpuUsage(cpu);
      const cpuMs = (user + system) / 1000 / Number(count);
      const record = await store.get(id);
      const [event] = store.eventsFrom(id, record.sequence);
      const content = Buffer.byteLength(JSON.stringify([record, event]));
      return { cpuMs, content, bytes: (written() - bytes) / Number(count) };
    },
    memory: async () => ({ bytes: process.memoryUsage.rss() }),
  };
  process.stdout.write(`${JSON.stringify({ port: await server.start() })}\n`);
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [name, ...args] = line.split(' ');
    if (name === 'quit') process.exit(0);
    process.stdout.write(`${JSON.stringify(await work[name](...args))}\n`);
  }
}

async function fill(store: LmdbStore, artifacts: FolderArtifacts, count: number): Promise<object> {
  const files = await Promise.all(Array.from({ length: 16 }, (_, i) => artifacts.addText(`artifact ${i}`)));
  const events: Happening[] = [
    ...Array.from({ length: 5 }, (_, i) => epoch(i + 1)),
    ...files.map((file, i): Happening => ({ kind: 'artifact', artifact: { name: `delta/file-${i}.json`, ...file } })),
    { kind: 'state', state: 'SUCCEEDED' },
  ];
  const spec = { model: 'tiny-bert', train: { path: 'train.tsv', task: 'cola' }, training: { epochs: 5 } };
  for (let first = 0; first < count; first += 100) {
    const some = Array.from({ length: Math.min(100, count - first) }, async (_, i) => {
      const job = { requestId: `fill-${first + i}-${Date.now()}`, spec, specHash: 'hash', traceparent: undefined };
      const { record } = await store.create(job, 1e6, { full: refuse, otherSpec: refuse });
      await store.note(
        record.id,
        ...(['ANALYZING', 'SELECTING', 'TRAINING'] as const).map((state) => ({ kind: 'state', state }) as const),
        ...events,
      );
    });
    await Promise.all(some);
  }
  return {};
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
});
