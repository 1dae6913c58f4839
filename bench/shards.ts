import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { eventOf } from '../gateway/job-message';
import { GrpcClient } from '../infra/grpc/client';
import { AnalyzerService, ReportView } from '../proto/gen/hifi/v1/analyzer_pb';
import { GatewayService, type JobSpecSchema } from '../proto/gen/hifi/v1/gateway_pb';
import { spreadOf } from './candidate';
import { started } from './services';
import { printRow } from './table';

const SHARDS = [1, 2, 4, 8];
/** Tokens of each sequence: its words are more. */
const TOKENS = 128;
const WORDS = ['the', 'result', 'of', 'this', 'work', 'is', 'not', 'what', 'they', 'had', 'in', 'mind', 'when', 'it'];

/**
 * Measures an analysis split over 1, 2, 4 and 8 warm analyzers of this machine, in turn, from the
 * job's start of the analysis to its heads.json.
 *
 * @throws Error if the reports differ in a bit
 */
export async function benchShards(model: string, sequences: number, rounds: number): Promise<void> {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-bench-'));
  const rows = path.join(root, 'rows.txt');
  const line = (row: number) => Array.from({ length: TOKENS }, (_, i) => WORDS[(row * 31 + i * i) % WORDS.length]);
  fs.writeFileSync(rows, Array.from({ length: sequences }, (_, row) => `${line(row).join(' ')}\n`).join(''));
  const artifacts = path.join(root, 'artifacts');
  const serve = (name: string, args: string[]) =>
    started([...args, '--state-dir', path.join(root, name), '--artifacts', artifacts], [root, path.dirname(model)]);
  const most = Math.max(...SHARDS);
  const analyzers = await Promise.all(
    Array.from({ length: most }, (_, i) => serve(`analyzer-${i}`, ['analyzer', '--analyzer-port', '0'])),
  );
  const addresses = analyzers.map(({ ports }) => `127.0.0.1:${ports.analyzer}`);
  const gateways = await Promise.all(
    SHARDS.map((count) => {
      const peers = ['--analyzer', addresses.slice(0, count).join()];
      return serve(`gateway-${count}`, ['gateway', '--gateway-port', '0', ...peers]);
    }),
  );
  const clients = gateways.map(({ ports }) => new GrpcClient(`127.0.0.1:${ports.gateway}`));
  try {
    const dataset = { source: { case: 'path' as const, value: rows } };
    const options = { samples: sequences, maxLength: TOKENS };
    // Loads the model everywhere.
    for (const address of addresses) {
      const analyzer = new GrpcClient(address);
      const few = { model, dataset, options: { ...options, samples: 1 }, view: ReportView.BASIC };
      for await (const _ of analyzer.stream(AnalyzerService.method.analyze, few));
      analyzer.close();
    }
    const seconds = SHARDS.map(() => [] as number[]);
    const bits = new Set<string>();
    for (let round = 0; round < rounds; round++) {
      for (const [i, gateway] of clients.entries()) {
        const analysis = await analysed(gateway, { model, train: dataset, analysis: options, analyzeOnly: true });
        seconds[i].push(analysis.seconds);
        const heads = JSON.parse(fs.readFileSync(path.join(artifacts, 'sha256', analysis.sha256), 'utf8'));
        bits.add(JSON.stringify({ ...heads, elapsedSeconds: 0 }));
        if (bits.size > 1) throw new Error(`${SHARDS[i]} shards gave another report`);
      }
    }
    const one = spreadOf(seconds[0]);
    for (const [i, count] of SHARDS.entries()) {
      printRow(`analysis of ${sequences} × ${TOKENS} tokens, warm, s`, `${count} shards`, spreadOf(seconds[i]), one);
    }
  } finally {
    for (const client of clients) client.close();
    const all = [...gateways, ...analyzers].map(({ child }) => child);
    for (const child of all) child.kill('SIGTERM');
    await Promise.all(all.map((child) => child.exitCode ?? new Promise((resolve) => child.once('exit', resolve))));
    fs.rmSync(root, { recursive: true, force: true });
  }
}

/** Runs a job that ends with the analysis. @returns the analysis' seconds and its report's hash */
async function analysed(gateway: GrpcClient, spec: MessageInitShape<typeof JobSpecSchema>) {
  const { job } = await gateway.unary(GatewayService.method.createJob, { spec });
  let began = 0;
  for await (const { event } of gateway.stream(GatewayService.method.watchJob, { jobId: job!.jobId })) {
    const { time, event: what } = eventOf(event!);
    if (what.kind === 'state' && what.state === 'ANALYZING') began = time;
    if (what.kind !== 'artifact' || what.artifact.name !== 'heads.json') continue;
    return { seconds: (time - began) / 1000, sha256: what.artifact.sha256 };
  }
  throw new Error('the job ended without heads.json');
}
