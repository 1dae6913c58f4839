import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { TRAIN_DEFAULTS, type TrainEvent, type TrainMetrics, type TrainRequest } from '../../delta/training-options';
import type { Mask } from '../../heads/mask';
import { openCheckpoint } from '../../model/checkpoint';
import { train } from '../../trainer/pipeline';
import type { TensorFlow } from '../../trainer/session';
import { FIXTURES, temporaryFolder } from '../support/deltas';

export const model = path.join(FIXTURES, 'tiny-bert');
export const TINY_DATA = path.join(FIXTURES, 'tiny-data');
export const sentences = { path: path.join(TINY_DATA, 'train.tsv'), textColumns: ['sentence'], labelColumn: 'label' };
export const devSentences = { ...sentences, path: path.join(TINY_DATA, 'dev.tsv') };

/** Mask of these heads, layer by layer, for a model in the shape of tiny-bert. */
export async function maskOf(heads: number[][], tune: Mask['tune'] = 'qkv', base = model): Promise<Mask> {
  const checkpoint = await openCheckpoint(base);
  checkpoint.close();
  return {
    schemaVersion: 1,
    model: { name: checkpoint.name, sha256: checkpoint.sha256 },
    strategy: 'hifi',
    k: heads[0].length,
    tune,
    heads: heads.flatMap((layer, i) => layer.map((head) => ({ layer: i, head, score: 1 }))),
    trainableParameters: 0,
    totalParameters: checkpoint.parameters,
    share: 0,
  };
}

export const deltaHash = (out: string) =>
  createHash('sha256')
    .update(fs.readFileSync(path.join(out, 'delta/delta.safetensors')))
    .digest('hex');

type Changes = Partial<Omit<TrainRequest, 'options'>> & { options?: object };

/** Small training runs, each in its own folder; the folders are removed after the file's tests. */
export function runs(tf: TensorFlow) {
  const root = temporaryFolder('train');
  afterAll(() => fs.rmSync(root, { recursive: true, force: true }));
  const folder = () => fs.mkdtempSync(path.join(root, 'run-'));
  return {
    folder,

    async request({ options, ...rest }: Changes = {}) {
      const chosen = [
        [1, 3],
        [0, 2, 4],
      ];
      return {
        model,
        train: sentences,
        dev: devSentences,
        mask: await maskOf(chosen, 'qkv', rest.model),
        out: folder(),
        resume: false,
        ...rest,
        options: { ...TRAIN_DEFAULTS, epochs: 3, batchSize: 8, lr: 2e-3, ...options },
      } satisfies TrainRequest;
    },

    async finish(what: TrainRequest, signal?: AbortSignal): Promise<{ events: TrainEvent[]; metrics: TrainMetrics }> {
      const run = train(tf, what, signal);
      const events: TrainEvent[] = [];
      for (;;) {
        const next = await run.next();
        if (next.done) return { events, metrics: next.value };
        events.push(next.value);
      }
    },
  };
}
