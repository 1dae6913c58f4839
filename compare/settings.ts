import type { TrainOptions } from '../delta/training-options';
import { SELECTION_DEFAULTS } from '../heads/select';
import type { Tune } from '../heads/tune';
import { type Method, unitsOf } from './methods';
import type { TrainingSize } from './split';

/**
 * Version of the rule that splits rows. In version 1 a seed's test rows are all rows that it
 * neither trains on nor chooses by. For later seeds they include dev rows of the first seed, which
 * choose the learning rate. In version 2 those rows are in no test.
 */
export const SPLIT_VERSION = 2;

/** Settings that all runs of a comparison share; methods and seeds may differ. */
export interface ComparisonSettings {
  schemaVersion: 1 | typeof SPLIT_VERSION;
  /** Hashes of the weights, and of the other files that affect the model's result for a row. */
  model: { name: string; sha256: string; files: (string | null)[] };
  /** Hashes of the training file and of further test files, and their columns. */
  data: { train: string; test: string[]; columns: object };
  rows: TrainingSize & { dev?: number };
  /** Heads or neurons per layer, or share of the model; without either the default number. */
  size: { k?: number } | { budget: number };
  tune: Tune;
  /** Learning rates of each method on the first seed. */
  lrs: number[];
  searchSeed: number;
  training: Omit<TrainOptions, 'lr' | 'seed' | 'device' | 'threads'>;
  /** Sequences for measuring and scoring heads. */
  samples: number;
}

/**
 * First difference of two settings, in words; undefined if methods have the same results by both.
 */
export function settingsDifference(
  before: ComparisonSettings,
  now: ComparisonSettings,
  methods: readonly Method[],
): string | undefined {
  if (unitsOf(methods, now.tune).has('neurons')) return differenceOf(before, now);
  const whole = ({ size, ...settings }: ComparisonSettings) => ({
    ...settings,
    size: 'budget' in size ? size : { k: size.k ?? SELECTION_DEFAULTS.k },
  });
  return differenceOf(whole(before), whole(now));
}

/** First difference of two settings, in words; undefined if they agree. */
export function differenceOf(before: object, now: object, name = ''): string | undefined {
  const keys = [...new Set([...Object.keys(before), ...Object.keys(now)])];
  for (const key of keys) {
    const [a, b] = [before, now].map((side) => (side as Record<string, unknown>)[key]);
    const at = name === '' ? key : `${name}.${key}`;
    if (isObject(a) && isObject(b)) {
      const difference = differenceOf(a, b, at);
      if (difference !== undefined) return difference;
    } else if (JSON.stringify(a) !== JSON.stringify(b)) {
      return `${at} was ${shown(a)} and is ${shown(b)}`;
    }
  }
  return undefined;
}

const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const shown = (value: unknown) => (value === undefined ? 'not given' : JSON.stringify(value).slice(0, 60));
