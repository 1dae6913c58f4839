import type { Encoded } from '../data/batches';
import { logitCount } from '../data/problem';
import { taskNamed } from '../data/tasks';
import { type Ablation, type AblationRequest, ablateModel, type GatedModel } from '../delta/ablation';
import { readTaskHead } from '../delta/classifier-config';
import { type DeltaTensor, deltaParts, readDelta } from '../delta/delta';
import { labelsOf } from '../delta/delta-info';
import { evaluateModel, meaningOf, predictModel, type TunedModel } from '../delta/inference';
import type { EvaluateRequest, EvaluateResult, InferenceOptions, PredictEvent } from '../delta/inference-options';
import { evaluateRows, type Logits } from '../delta/logits';
import type { Tuning } from '../delta/tuning';
import { invalidInput, within } from '../foundation/errors';
import type { StageProgress } from '../foundation/progress';
import type { HeadPlace } from '../heads/head-groups';
import { type Checkpoint, openCheckpoint } from '../model/checkpoint';
import type { RowBatch } from './batch-parts';
import { checkDevice } from './device';
import { ParameterLayout } from './parameters';
import { FreshRows } from './prefix';
import { Program } from './program';
import type { TensorFlow } from './session';
import { TokenRows } from './token-rows';

/** A base, the trained tensors on top of it and what its logits mean. */
interface TunedBase extends Pick<TunedModel, 'labels' | 'task'> {
  checkpoint: Checkpoint;
  tuning: Tuning;
  /** Trained tensors by canonical name. */
  tensors: Map<string, DeltaTensor>;
}

/**
 * The metrics of a base with its delta, or of a merged checkpoint, on labelled rows; see
 * `evaluateModel`.
 *
 * @throws INVALID_INPUT for a delta of another base or a model without a task head
 */
export const evaluate = (
  tf: TensorFlow,
  request: EvaluateRequest,
  signal?: AbortSignal,
): AsyncGenerator<StageProgress, EvaluateResult> => evaluateModel(() => tunedModel(tf, request), request, signal);

/** What such a model says of each row; see `predictModel`. */
export const predict = (tf: TensorFlow, request: EvaluateRequest, signal?: AbortSignal): AsyncGenerator<PredictEvent> =>
  predictModel(() => tunedModel(tf, request), request, signal);

/** The metric with heads gated off; see `ablateModel`. */
export const ablate = (
  tf: TensorFlow,
  request: AblationRequest,
  signal?: AbortSignal,
): AsyncGenerator<StageProgress, Ablation> => ablateModel(() => gatedModel(tf, request), request, signal);

/** Token rows to be run through a base with its delta. */
export interface LogitsRequest extends Omit<EvaluateRequest, 'data' | 'options'> {
  rows: readonly Encoded[];
  /** Rows have their lengths. */
  options: Omit<InferenceOptions, 'maxLength'>;
}

/** The bare logits of token rows. */
export async function* logits(tf: TensorFlow, request: LogitsRequest): AsyncGenerator<number, Logits> {
  const model = await tunedModel(tf, request);
  try {
    return yield* model.logits(request.rows, request.options.batchSize);
  } finally {
    await model.close();
  }
}

function tunedModel(tf: TensorFlow, request: Omit<LogitsRequest, 'rows'>): Promise<TunedModel> {
  const { delta } = request;
  return opened(tf, request, async (checkpoint) => {
    const base = delta
      ? await within('delta', () => withDelta(checkpoint, delta))
      : await within('model', () => withOwnHead(checkpoint));
    return { ...base, logits: (rows, batchSize) => run(tf, base, rows, batchSize) };
  });
}

function gatedModel(tf: TensorFlow, request: AblationRequest): Promise<GatedModel> {
  return opened(tf, request, async (checkpoint) => {
    const base = await within('delta', () => withDelta(checkpoint, request.delta));
    return { ...base, gatedLogits: (rows, batchSize, off) => run(tf, base, rows, batchSize, off) };
  });
}

/** Opens the checkpoint of a model. The caller closes it, unless `withHead` fails. */
async function opened<Model extends Pick<TunedModel, 'labels' | 'task'>>(
  tf: TensorFlow,
  request: Omit<LogitsRequest, 'rows'>,
  withHead: (checkpoint: Checkpoint) => Promise<Model>,
) {
  checkDevice(tf, request.options.device);
  const checkpoint = await within('model', () => openCheckpoint(request.model, request.modelName));
  const { folder, config } = checkpoint;
  try {
    return { folder, config, ...(await withHead(checkpoint)), close: () => checkpoint.close() };
  } catch (error) {
    checkpoint.close();
    throw error;
  }
}

function withDelta(checkpoint: Checkpoint, folder: string): TunedBase & Pick<GatedModel, 'info'> {
  const { info, tensors } = readDelta(folder, checkpoint);
  const parts = deltaParts(checkpoint, info);
  const canonical = new Map(parts.map(({ name, canonical }) => [canonical, tensors.get(name)!] as const));
  const slices = parts.flatMap(({ slice }) => slice ?? []);
  const task = info.task ? taskNamed(info.task) : null;
  return { checkpoint, info, tuning: { slices }, tensors: canonical, labels: labelsOf(info), task };
}

/** A checkpoint with a task head of its own: nothing of it is tuned here. */
function withOwnHead(checkpoint: Checkpoint): TunedBase {
  const head = readTaskHead(checkpoint);
  if (!head) {
    throw invalidInput(
      `${checkpoint.name} has no task head; give the delta that was trained on it, or a merged checkpoint`,
    );
  }
  return { checkpoint, tuning: { slices: [] }, tensors: head.tensors, ...meaningOf(head.info) };
}

/**
 * Runs all rows through the whole network, likes with likes; the frozen layers once for all sets.
 *
 * @param off sets of heads that are gated off; their logits are side by side
 */
async function* run(
  tf: TensorFlow,
  { checkpoint, tuning, tensors, labels }: TunedBase,
  rows: readonly Encoded[],
  batchSize: number,
  off: readonly (readonly HeadPlace[])[] = [[]],
): AsyncGenerator<number, Logits> {
  const layout = new ParameterLayout([...tensors].map(([name, { shape }]) => ({ name, shape })));
  const outputs = logitCount(labels);
  const gated = off.some((heads) => heads.length > 0);
  const parts = {
    checkpoint,
    tuning,
    layout,
    outputs,
    objective: { problem: labels.problem },
    ...(gated && { gates: 'fed' as const }),
  };
  const program = new Program(
    tf,
    parts,
    layout.gather(({ name }) => tensors.get(name)!.values),
  );
  try {
    const hidden = new FreshRows({ program, checkpoint, tokens: new TokenRows(checkpoint, program.readsWords) }, rows);
    const logitsOf = (batch: RowBatch) => {
      const sets = off.map((heads) => program.logits(batch, heads));
      return sideBySide(sets, outputs);
    };
    return yield* evaluateRows(logitsOf, hidden, batchSize, rows);
  } finally {
    program.close();
  }
}

/** Joins rows of logits. // G of [n, C] → [n, G·C] */
function sideBySide(sets: readonly Float32Array[], outputs: number): Float32Array {
  if (sets.length === 1) return sets[0];
  const joined = new Float32Array(sets.length * sets[0].length);
  for (const [set, logits] of sets.entries()) {
    for (let at = 0; at < logits.length; at += outputs) {
      joined.set(logits.subarray(at, at + outputs), at * sets.length + set * outputs);
    }
  }
  return joined;
}
