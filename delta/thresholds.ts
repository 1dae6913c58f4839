import { DEFAULT_THRESHOLD, type LabelSet } from '../data/problem';
import type { Logits } from './row-logits';

/** Probability of a logit. */
export const sigmoid = (logit: number) => 1 / (1 + Math.exp(-logit));

/** Labels whose probability reaches their threshold: 1, else 0. @param logits // [C] */
export const labelsAbove = (logits: ArrayLike<number>, { thresholds }: Pick<LabelSet, 'thresholds'>): Uint8Array =>
  Uint8Array.from(logits, (logit, label) => Number(sigmoid(logit) >= (thresholds?.[label] ?? DEFAULT_THRESHOLD)));

/**
 * Threshold of best F1 for each label on some rows: the middle between the lowest probability that
 * reaches it and the next one below; below the lowest probability of all, its half. Of equals the
 * highest. A label that no row has gets the default.
 *
 * @param targets 1 for each label of a row, else 0 // [n] of [C]
 * @returns // [C]
 */
export const bestThresholds = (logits: Logits, targets: ArrayLike<Uint8Array>): number[] =>
  Array.from({ length: logits.outputs }, (_, label) => {
    const cells = Array.from({ length: targets.length }, (_, row) => ({
      probability: sigmoid(logits.values[row * logits.outputs + label]),
      has: targets[row][label],
    }));
    cells.sort((a, b) => b.probability - a.probability);
    return bestThreshold(cells);
  });

/** @param cells the most probable first */
function bestThreshold(cells: readonly { probability: number; has: number }[]): number {
  const positives = cells.reduce((sum, { has }) => sum + has, 0);
  let best = { f1: 0, threshold: DEFAULT_THRESHOLD };
  let found = 0;
  for (const [i, { probability, has }] of cells.entries()) {
    found += has;
    const next = cells[i + 1]?.probability ?? 0;
    if (next === probability) continue;
    const f1 = (2 * found) / (i + 1 + positives);
    if (f1 > best.f1) best = { f1, threshold: (probability + next) / 2 };
  }
  return best.threshold;
}
