import type { Counts } from './class-scores';
import { entitiesOf } from './entities';

/** Confusion matrix: which labels were predicted in place of which. */
export interface Confusion {
  /**
   * Labels of the rows and columns. A last label `null` is no label: its row has what was predicted
   * in excess, its column what was missed.
   */
  labels: (string | null)[];
  /** Counts by the right label (row) and the predicted one (column). */
  matrix: number[][];
}

const emptyMatrix = (side: number): number[][] => Array.from({ length: side }, () => new Array<number>(side).fill(0));

/** Confusion of class indices. */
export function classConfusion(
  predictions: ArrayLike<number>,
  targets: ArrayLike<number>,
  names: readonly string[],
): Confusion {
  const matrix = emptyMatrix(names.length);
  for (let at = 0; at < targets.length; at++) matrix[targets[at]][predictions[at]]++;
  return { labels: [...names], matrix };
}

/** Confusion of words' tags. @param predictions class index of each word, row after row */
export function tagConfusion(
  predictions: ArrayLike<Int32Array>,
  targets: ArrayLike<Int32Array>,
  names: readonly string[],
): Confusion {
  const flat = (rows: ArrayLike<Int32Array>) => Array.from(rows).flatMap((row) => Array.from(row));
  return classConfusion(flat(predictions), flat(targets), names);
}

/**
 * Confusion of entities, by types. An entity and a predicted one with the same ends are one count,
 * right or wrong in the type; any other is missed or in excess.
 */
export function entityConfusion(
  predictions: ArrayLike<Int32Array>,
  targets: ArrayLike<Int32Array>,
  names: readonly string[],
): Confusion {
  const types = [...new Set(names.flatMap((tag) => entitiesOf([tag]).map(({ label }) => label)))];
  const indexOf = new Map(types.map((type, index) => [type, index]));
  const none = types.length;
  const matrix = emptyMatrix(types.length + 1);
  /** Type of each entity of a row, by its ends. */
  const spansOf = (row: Int32Array) =>
    new Map(
      entitiesOf(Array.from(row, (index) => names[index])).map(({ label, start, end }) => [
        `${start} ${end}`,
        indexOf.get(label)!,
      ]),
    );
  for (let row = 0; row < targets.length; row++) {
    const real = spansOf(targets[row]);
    const answers = spansOf(predictions[row]);
    for (const [span, type] of real) matrix[type][answers.get(span) ?? none]++;
    for (const [span, type] of answers) if (!real.has(span)) matrix[none][type]++;
  }
  return { labels: [...types, null], matrix };
}

/**
 * Confusion of several labels per row. A right label is on the diagonal. Each missed label of a row
 * is paired with each label in excess there; without one, it counts as missed or in excess alone.
 */
export function severalConfusion(
  predictions: ArrayLike<Uint8Array>,
  targets: ArrayLike<Uint8Array>,
  names: readonly string[],
): Confusion {
  const none = names.length;
  const matrix = emptyMatrix(names.length + 1);
  for (let row = 0; row < targets.length; row++) {
    const [predicted, real] = [predictions[row], targets[row]];
    const missed: number[] = [];
    const excess: number[] = [];
    for (let label = 0; label < none; label++) {
      if (real[label] && predicted[label]) matrix[label][label]++;
      else if (real[label]) missed.push(label);
      else if (predicted[label]) excess.push(label);
    }
    if (missed.length === 0) for (const label of excess) matrix[none][label]++;
    for (const label of missed) {
      for (const other of excess) matrix[label][other]++;
      if (excess.length === 0) matrix[label][none]++;
    }
  }
  return { labels: [...names, null], matrix };
}

/** Counts of each label whose row and column of the matrix count every case once. */
export function countsOf({ labels, matrix }: Confusion): Counts[] {
  const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
  const named = labels.filter((label) => label !== null);
  return named.map((_, label) => {
    const truePositives = matrix[label][label];
    return {
      truePositives,
      falsePositives: sum(matrix.map((row) => row[label])) - truePositives,
      falseNegatives: sum(matrix[label]) - truePositives,
    };
  });
}
