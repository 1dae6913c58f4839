import { z } from 'zod';
import { LABELS } from '../data/labels';
import type { LabelSet } from '../data/problem';
import { sortedKeys } from '../foundation/canonical-json';
import { invalidInput } from '../foundation/errors';
import type { Mask } from '../heads/mask';
import { TUNE_RULE, TUNES } from '../heads/tune';
import type { TaskHeadKind, TensorPart } from '../model/architecture';
import type { ModelConfig } from '../model/config';
import { PROBLEMS, problemStoredAs, STORED_PROBLEMS, type StoredProblem } from './problems';
import { besideHeads } from './slices';

/**
 * Content of delta.json: the base of a delta, its mask and training, and the meaning of its logits.
 */
export interface DeltaInfo {
  /** Version of this format. */
  schemaVersion: 1;
  /** Base model to which it belongs. */
  base: {
    /** Known name, or the folder's last part. */
    name: string;
    /** SHA-256 of its weights, in hexadecimal. A delta fits no other base. */
    sha256: string;
    /** Class name from config.json. */
    architecture: string;
  };
  /** Tuned heads or neurons. */
  mask: Mask;
  /** Other tuned parts of the base. Only methods of a comparison have any. */
  parts?: readonly TensorPart[];
  /** Label of each class number, as in the training file; null for a regression or relevance. */
  id2label: Record<string, string> | null;
  /** Problem that the logits answer. */
  problemType: StoredProblem;
  /** Probability from which each label is predicted, for several labels per row; else absent. */
  thresholds?: number[];
  /** GLUE task; null for other data. */
  task: string | null;
  /** Options of the training. */
  options: TrainedWith;
  /** Seed for shuffling, dropout and initial weights. */
  seed: number;
}

const index = z.int('an integer from 0').min(0, 'an integer from 0');
const text = z.string('a text');
const number = z.number('a number');
const threshold = number.min(0, 'from 0 to 1').max(1, 'from 0 to 1');
const hash = z.string('a SHA-256').regex(/^[0-9a-f]{64}$/, 'a SHA-256 in hexadecimal');

/** Value of `mask.tune` in older files of a comparison; see {@link withParts}. */
const WHOLE_MODEL = 'full';

// Loose, because a later version may have more fields than reading a delta needs.
const mask = z.looseObject({
  schemaVersion: z.literal(1, '1'),
  model: z.object({ name: text, sha256: text }),
  strategy: text,
  tune: z.enum([...TUNES, WHOLE_MODEL], TUNE_RULE),
  heads: z.array(z.object({ layer: index, head: index, score: number })),
  neurons: z.array(z.object({ layer: index, index, score: number })).optional(),
  trainableParameters: index,
  totalParameters: index,
  share: number,
});

const parts = z.array(
  z.object({
    tensor: text,
    axis: z.enum(['rows', 'columns'], '"rows" or "columns"'),
    ranges: z.array(z.tuple([index, index], 'two indices')),
  }),
);

const options = z.looseObject({
  epochs: number,
  batchSize: number,
  lr: number,
  warmup: number,
  weightDecay: number,
  maxLength: index,
  seed: index,
});

/** Meaning of a task head's logits. */
export type TaskHeadInfo = Pick<DeltaInfo, 'id2label' | 'problemType' | 'thresholds' | 'task'>;

/** Options of a training, except the place of computation, which does not determine its result. */
export interface TrainedWith {
  /** Number of passes over the training rows. */
  epochs: number;
  /** Number of rows per step. */
  batchSize: number;
  /** Peak learning rate. */
  lr: number;
  /** Share of the steps over which the learning rate rose, 0 … 1. */
  warmup: number;
  /** Decoupled weight decay. */
  weightDecay: number;
  /** Number of tokens to which a row was truncated. */
  maxLength: number;
  /** Seed, equal to {@link DeltaInfo.seed}. */
  seed: number;
  /** Options of later versions. */
  [option: string]: unknown;
}

/** The stored names, for messages. */
const STORED_PROBLEM_CHOICE = STORED_PROBLEMS.map((name) => `"${name}"`).join(' or ');

const deltaInfo = z
  .object({
    schemaVersion: z.literal(1, '1'),
    base: z.object({ name: text, sha256: hash, architecture: text }),
    mask,
    parts: parts.optional(),
    id2label: z.record(z.string(), text).nullable(),
    problemType: z.enum(STORED_PROBLEMS, STORED_PROBLEM_CHOICE),
    thresholds: z.array(threshold).optional(),
    task: text.nullable(),
    options,
    seed: index,
  })
  .refine((info) => labelsFit(info.id2label, info.problemType), {
    path: ['id2label'],
    message:
      'null for a regression or relevance, else two or more different labels (one for several labels) numbered from "0"',
  })
  .refine((info) => thresholdsFit(info), {
    path: ['thresholds'],
    message: 'a number from 0 to 1 per label, only for several labels per row',
  });

/** Returns true if there is a threshold for each label, or none. */
export const thresholdsFit = ({ thresholds, ...info }: TaskHeadInfo): boolean =>
  thresholds === undefined ||
  (PROBLEMS[problemStoredAs(info.problemType)].thresholds !== undefined && thresholds.length === outputsOf(info));

/**
 * Returns true if labels match the problem: none for a number, else ≥ 2 different ones (≥ 1 for
 * several labels per row), numbered 0 … n − 1.
 */
export function labelsFit(id2label: Record<string, string> | null, problemType: StoredProblem): boolean {
  const { named, several } = LABELS[problemStoredAs(problemType)];
  if (!named) return id2label === null;
  if (!id2label) return false;
  const labels = Object.values(id2label);
  return (
    labels.length >= (several ? 1 : 2) &&
    labels.every((_, i) => Object.hasOwn(id2label, String(i))) &&
    new Set(labels).size === labels.length
  );
}

/** Number of logits per row: the number of labels, 1 for a number. */
export function outputsOf({ id2label }: Pick<DeltaInfo, 'id2label'>): number {
  return id2label ? Object.keys(id2label).length : 1;
}

/** What a delta's task head has logits for. */
export const taskHeadKindOf = ({ problemType }: Pick<DeltaInfo, 'problemType'>): TaskHeadKind =>
  PROBLEMS[problemStoredAs(problemType)].taskHead;

/** Labels of a delta's logits. */
export const labelsOf = ({ id2label, problemType, thresholds }: Omit<TaskHeadInfo, 'task'>): LabelSet => ({
  problem: problemStoredAs(problemType),
  names: Object.values(id2label ?? {}),
  ...(thresholds && { thresholds }),
});

/** Heads and neurons of a mask by layer and number. */
const inOrder = ({ heads, neurons }: Mask): Pick<Mask, 'heads' | 'neurons'> => ({
  heads: heads.toSorted((a, b) => a.layer - b.layer || a.head - b.head),
  ...(neurons && { neurons: neurons.toSorted((a, b) => a.layer - b.layer || a.index - b.index) }),
});

/**
 * Formats delta.json as one line. The order of keys, heads and neurons in `info` does not matter.
 */
export function formatDeltaInfo(info: DeltaInfo): string {
  const { schemaVersion, base, mask, parts, id2label, problemType, thresholds, task, options, seed } = info;
  const { name, sha256, architecture } = base;
  const ordered = {
    schemaVersion,
    base: { name, sha256, architecture },
    mask: sortedKeys({ ...mask, ...inOrder(mask) }),
    ...(parts && { parts }),
    id2label,
    problemType,
    ...(thresholds && { thresholds }),
    task,
    options: sortedKeys(options),
    seed,
  };
  return `${JSON.stringify(ordered)}\n`;
}

/** Parses delta.json. @throws INVALID_INPUT with `file`, the field and what would be right */
export function parseDeltaInfo(json: string, file: string): DeltaInfo {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    throw invalidInput(`${file} is not JSON`, error);
  }
  const parsed = deltaInfo.safeParse(value);
  if (!parsed.success) {
    const { path, message } = parsed.error.issues[0];
    throw invalidInput(`${file}: ${path.length > 0 ? path.join('.') : 'its content'} must be ${message}`, parsed.error);
  }
  return parsed.data as unknown as DeltaInfo;
}

/**
 * Info of a delta of this base with its tuned parts. Older files of full fine-tuning list none: all
 * heads and every other tensor are tuned.
 */
export function withParts(info: DeltaInfo, config: ModelConfig): DeltaInfo {
  const tune: string = info.mask.tune;
  return tune === WHOLE_MODEL ? { ...info, mask: { ...info.mask, tune: 'qkvo' }, parts: besideHeads(config) } : info;
}
