import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { followJob } from '../../gateway/follow-job';
import type { JobEventRecord } from '../../gateway/record';
import type { GrpcClient } from '../../infra/grpc/client';
import { RpcError, status } from '../../proto/status';
import { createJob, type Spec, TINY } from '../../test/services/struck-job';
import { FIXTURES, temporaryFolder } from '../../test/support/deltas';

const HIFI = path.join(__dirname, '../../dist/cli/hifi.js');

/** Job of a few seconds; jobs of different seeds have different deltas. */
export const specOf = (seed: number, epochs = 3) => ({
  ...{ model: String(TINY.model), train: TINY.train, dev: TINY.dev, exports: ['checkpoint'] },
  analysis: { samples: 40, maxLength: 48, seed },
  selection: { k: 2 },
  training: { epochs, batchSize: 8, lr: 0.01, maxLength: 48, seed },
});
type TinySpec = ReturnType<typeof specOf>;

/** Runs the job of a spec by `hifi run`. @returns SHA-256 of its delta */
export async function deltaOfOneProcess({ model, analysis, selection, training }: TinySpec): Promise<string> {
  const out = temporaryFolder('run');
  const rows = (name: string) => path.join(FIXTURES, 'tiny-data', name);
  try {
    await promisify(execFile)(process.execPath, [
      ...[HIFI, 'run', '--model', model, '--train', rows('train.tsv'), '--dev', rows('dev.tsv')],
      ...['--text-columns', 'sentence', '--label-column', 'label', '--out', out, '--export', 'checkpoint'],
      ...['--samples', String(analysis.samples), '--max-length', String(training.maxLength)],
      ...['--k', String(selection.k), '--seed', String(training.seed), '--epochs', String(training.epochs)],
      ...['--batch-size', String(training.batchSize), '--lr', String(training.lr)],
    ]);
    return sha256Of(path.join(out, 'delta/delta.safetensors'));
  } finally {
    fs.rmSync(out, { recursive: true });
  }
}

const sha256Of = (file: string) => createHash('sha256').update(fs.readFileSync(file)).digest('hex');

/** Makes a call again while the gateway or its store is away. */
export async function insisting<T>(call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof RpcError && error.code === status.UNAVAILABLE)) throw error;
      await delay(500);
    }
  }
}

/** Creates a job through one gateway and follows it at another, to its end. */
export async function createAndFollow(
  [creator, other]: readonly GrpcClient[],
  spec: Spec,
  requestId: string,
): Promise<{ jobId: string; events: JobEventRecord[] }> {
  const jobId = await insisting(() => createJob(creator, spec, requestId));
  const events: JobEventRecord[] = [];
  const settings = { awayMs: Number.POSITIVE_INFINITY };
  for await (const event of followJob(other, jobId, 1, new AbortController().signal, settings)) events.push(event);
  return { jobId, events };
}
