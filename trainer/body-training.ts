import * as path from 'node:path';
import { likeLengthBatches } from '../data/batches';
import type { DataSource } from '../data/dataset';
import { encodeLabels, fitLabels } from '../data/labels';
import { readDataset } from '../data/read';
import { modelIdentity, optionsIdentity, rowsIdentity } from '../delta/identity';
import type { TrainOptions } from '../delta/training-options';
import { breathe } from '../foundation/breathe';
import { canonicalHash } from '../foundation/canonical-json';
import { cancelled, within } from '../foundation/errors';
import { peakResidentBytes } from '../foundation/process-memory';
import { StageMeter, type StageProgress } from '../foundation/progress';
import { openCheckpoint } from '../model/checkpoint';
import { loadTokenizer } from '../model/tokenizer';
import { bodyRows, wholeBody, writeBody } from './body';
import { checkDevice } from './device';
import { PAIRS } from './loss';
import { Program } from './program';
import { rowPairs } from './row-pairs';
import type { TensorFlow } from './session';
import { loadState, saveState } from './state';
import { Training } from './training';

/** Options of a contrastive training, as in a training of heads. */
export type BodyOptions = { lr: number } & Pick<
  TrainOptions,
  'epochs' | 'batchSize' | 'warmup' | 'weightDecay' | 'maxLength' | 'seed' | 'device' | 'threads' | 'precision'
>;

/** Request to tune a base for embeddings. */
export interface BodyRequest {
  /** Folder of the base model. */
  model: string;
  /** Rows of one class each. */
  train: DataSource;
  options: BodyOptions;
  /** Folder that receives {@link BODY_FILE} and, until the caller clears it, `state/`. */
  out: string;
}

/** Name of the file with the tuned parameters. */
export const BODY_FILE = 'body.safetensors';

/** Result of a contrastive training. */
export interface TunedBody {
  trainableParameters: number;
  /** Training time of all steps, in seconds; with the steps before an interruption. */
  seconds: number;
  /** Highest resident memory of the process tree, in bytes. */
  peakRssBytes: number;
}

/**
 * Tunes a whole base so that the embeddings of two rows of one class have a cosine of 1, and those
 * of two classes 0 (SetFit: Tunstall et al. 2022): rows → pairs of each epoch → steps → parameters.
 * A step takes `batchSize` pairs. Long rows are cut. A run that was cancelled, or killed after an
 * epoch, continues from its checkpoint and has the same parameters, bit for bit.
 *
 * @throws HifiError INVALID_INPUT for bad rows or labels; DIVERGED if a loss is not finite;
 *   CANCELLED by `signal`
 */
export async function* tuneBody(
  tf: TensorFlow,
  { model, train, options, out }: BodyRequest,
  signal?: AbortSignal,
): AsyncGenerator<StageProgress, TunedBody> {
  checkDevice(tf, options.device);
  const { epochs, batchSize, seed } = options;
  const checkpoint = await within('model', () => openCheckpoint(model));
  let program: Program | undefined;
  try {
    const dataset = await within('train', () => readDataset(train, 'labels'));
    const classes = encodeLabels(dataset, fitLabels(dataset)) as ArrayLike<number>;
    const { tuning, layout, initial, tunedParameters } = wholeBody(checkpoint);
    const outputs = checkpoint.config.hiddenSize;
    program = new Program(tf, { checkpoint, tuning, layout, outputs, objective: PAIRS }, initial);
    const state = path.join(out, 'state');
    const identity = canonicalHash({
      model: modelIdentity(checkpoint.folder, checkpoint.sha256),
      train: rowsIdentity(train, dataset.sha256),
      options: optionsIdentity(options),
    });
    const saved = loadState(state, identity, layout.size);
    if (saved) program.write(saved.training);
    const progress = saved?.progress ?? { step: 0, lossSum: 0, lossRows: 0, seconds: 0, epochs: [], bestEpoch: 0 };
    const parts = { program, checkpoint, tokenizer: loadTokenizer(model) };
    const { rows: hidden } = bodyRows(parts, dataset, options.maxLength);
    const batchesOf = (epoch: number) => {
      const { rows, similar } = rowPairs(classes, { seed, epoch });
      const lengths = Array.from(similar, (_, i) =>
        Math.max(hidden.lengths[rows[2 * i]], hidden.lengths[rows[2 * i + 1]]),
      );
      return { rows, similar, batches: likeLengthBatches(lengths, { batchSize, seed, epoch }) };
    };
    const stepsPerEpoch = batchesOf(0).batches.length;
    const steps = epochs * stepsPerEpoch;
    const training = new Training(program, { ...options, steps });
    const meter = new StageMeter('train', steps, 'steps', progress.step);
    const save = () => {
      const trained = program!.read();
      saveState(state, identity, { progress, training: trained, best: trained.parameters, bestLogits: NO_LOGITS });
    };
    while (progress.step < steps) {
      const epoch = Math.floor(progress.step / stepsPerEpoch);
      const { rows, similar, batches } = batchesOf(epoch);
      for (const batch of batches.slice(progress.step - epoch * stepsPerEpoch)) {
        const started = performance.now();
        const both = Array.from(batch, (pair) => [rows[2 * pair], rows[2 * pair + 1]]).flat();
        const targets = Array.from(batch, (pair) => similar[pair]);
        const loss = training.step(hidden.read(both), targets, progress.step);
        progress.step++;
        progress.seconds += (performance.now() - started) / 1000;
        yield* meter.due(progress.step, { loss });
        await breathe();
        if (!signal?.aborted) continue;
        save();
        throw cancelled();
      }
      save();
    }
    writeBody(path.join(out, BODY_FILE), program.read().parameters);
    return { trainableParameters: tunedParameters, seconds: progress.seconds, peakRssBytes: peakResidentBytes() };
  } finally {
    program?.close();
    checkpoint.close();
  }
}

/** A contrastive training has no logits, and its last parameters are its best. */
const NO_LOGITS = new Float32Array(0);
