import { type ChildProcess, spawn } from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { Client, credentials } from '@grpc/grpc-js';
import { service as health } from 'grpc-health-check';
import { GrpcClient } from '../infra/grpc/client';
import { AnalyzerService } from '../proto/gen/hifi/v1/analyzer_pb';
import { GatewayService, JobState } from '../proto/gen/hifi/v1/gateway_pb';
import { spreadOf } from './candidate';
import { printRow } from './table';

export const HIFI = path.join(__dirname, '../dist/cli/hifi.js');
/** Calls of each kind while a job runs. */
const CALLS = 1000;
const PAUSE_MS = 10;

/** Measures an analysis of two sentences on a warm analyzer, and small calls while a job trains. */
export async function benchServices(model: string, cola: string, rounds: number): Promise<void> {
  const stateDir = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-bench-'));
  const any = ['--gateway-port', '0', '--analyzer-port', '0', '--trainer-port', '0'];
  const { child, ports } = await started(['all', '--state-dir', stateDir, ...any], [cola, path.dirname(model)]);
  const gateway = new GrpcClient(`127.0.0.1:${ports.gateway}`);
  const analyzer = new GrpcClient(`127.0.0.1:${ports.analyzer}`);
  try {
    const dataset = { source: { case: 'inline' as const, value: { texts: ['They are here.', 'She left early.'] } } };
    const adHoc: number[] = [];
    for (let round = 0; round <= rounds; round++) {
      const start = performance.now();
      for await (const _ of analyzer.stream(AnalyzerService.method.analyze, { model, dataset }));
      if (round > 0) adHoc.push((performance.now() - start) / 1000);
    }
    printRow('analysis of two sentences, warm, s', 'AnalyzerService.Analyze', spreadOf(adHoc), spreadOf(adHoc));

    const train = { source: { case: 'path' as const, value: path.resolve(cola, 'train.tsv') }, task: 'cola' };
    const { job } = await gateway.unary(GatewayService.method.createJob, {
      spec: { model, train, training: { epochs: 1 } },
    });
    const jobId = job!.jobId;
    const state = async () => (await gateway.unary(GatewayService.method.getJob, { jobId })).job!.state;
    while ((await state()) < JobState.TRAINING) await delay(100);
    const checks = new Client(`127.0.0.1:${ports.gateway}`, credentials.createInsecure());
    const check = () =>
      new Promise<void>((resolve, reject) => {
        const { path: at, requestSerialize, responseDeserialize } = health.Check;
        const done = (error: unknown) => (error ? reject(error) : resolve());
        checks.makeUnaryRequest(at, requestSerialize, responseDeserialize, {}, done);
      });
    const seconds = { 'health check': [] as number[], GetJob: [] as number[] };
    for (let i = 0; i < CALLS; i++) {
      for (const [name, call] of [
        ['health check', check],
        ['GetJob', state],
      ] as const) {
        const start = performance.now();
        await call();
        seconds[name].push((performance.now() - start) / 1000);
      }
      await delay(PAUSE_MS);
    }
    if ((await state()) !== JobState.TRAINING) throw new Error('the job ended before the last call');
    for (const [name, each] of Object.entries(seconds)) {
      const all = spreadOf(each);
      const p99 = spreadOf([each.toSorted((a, b) => a - b)[Math.floor(0.99 * CALLS)]]);
      printRow(`${CALLS} calls while a job trains, s`, name, all, all, 4);
      printRow('their 99th percentile, s', name, p99, all, 4);
    }
    checks.close();
    await gateway.unary(GatewayService.method.cancelJob, { jobId });
    while ((await state()) < JobState.SUCCEEDED) await delay(100);
  } finally {
    gateway.close();
    analyzer.close();
    child.kill('SIGTERM');
    await new Promise((resolve) => child.once('exit', resolve));
    fs.rmSync(stateDir, { recursive: true, force: true });
  }
}

/** Starts `hifi serve` with some arguments and data roots; waits until it is ready. */
export async function started(
  args: readonly string[],
  roots: readonly string[],
): Promise<{ child: ChildProcess; ports: Record<string, number> }> {
  const data = roots.flatMap((root) => ['--data-root', path.resolve(root)]);
  const words = [HIFI, 'serve', ...args, ...data, '--json'];
  const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'ignore'] });
  for await (const line of createInterface({ input: child.stdout! })) return { child, ports: JSON.parse(line) };
  throw new Error('hifi serve ended before it was ready');
}
