import { type Encoded, evaluationBatches } from '../data/batches';
import type { Targets } from '../data/label-reading';
import type { LabelSet } from '../data/problem';
import type { WindowedRows } from '../data/windows';
import type { Metrics, Predicted } from './metrics';
import { PROBLEMS } from './problems';
import type { Logits } from './row-logits';

export type { Logits };

/** Rows that an engine reads in batches. */
export interface BatchedRows<Batch> {
  /** Number of tokens of each row. */
  lengths: ArrayLike<number>;
  read(rows: Int32Array): Batch;
}

/**
 * Runs all rows through a network, in batches of similar lengths.
 *
 * @param logitsOf runs one batch and returns [B, C]; if rows have asked tokens, [B·S, C] with S of
 *   the batch's longest row
 * @param rows what `source` reads
 * @returns logits of each row, or of each asked token, row after row
 * @yields the number of rows done
 */
export async function* evaluateRows<Batch>(
  logitsOf: (batch: Batch) => Float32Array | Promise<Float32Array>,
  source: BatchedRows<Batch>,
  batchSize: number,
  rows: readonly Encoded[],
): AsyncGenerator<number, Logits> {
  const perToken = rows.some(({ asked }) => asked !== undefined);
  const firsts = [0];
  for (const [row, { asked }] of rows.entries()) firsts.push(firsts[row] + (perToken ? asked!.at.length : 1));
  let values = new Float32Array(0);
  let outputs = 0;
  let done = 0;
  for (const batch of evaluationBatches(source.lengths, batchSize)) {
    const logits = await logitsOf(source.read(batch));
    const S = perToken ? batch.reduce((longest, row) => Math.max(longest, source.lengths[row]), 0) : 1;
    if (outputs === 0) {
      outputs = logits.length / (batch.length * S);
      values = new Float32Array(firsts[rows.length] * outputs);
    }
    batch.forEach((row, i) => {
      for (const [j, token] of (rows[row].asked?.at ?? [0]).entries()) {
        const from = (i * S + token) * outputs;
        values.set(logits.subarray(from, from + outputs), (firsts[row] + j) * outputs);
      }
    });
    done += batch.length;
    yield done;
  }
  return { values, outputs };
}

/**
 * Logits of rows from those of their windows: the mean over a row's windows, or each word's own.
 *
 * @param logits of {@link evaluateRows}
 */
export function rowLogits({ windows, starts, words }: WindowedRows, logits: Logits): Logits {
  const { values, outputs } = logits;
  const rows = starts.length - 1;
  if (words) {
    const ofWords = new Float32Array(words[rows] * outputs).fill(Number.NaN);
    let token = 0;
    for (let row = 0; row < rows; row++) {
      for (const { asked } of windows.slice(starts[row], starts[row + 1])) {
        for (const word of asked!.words) {
          ofWords.set(values.subarray(token * outputs, (token + 1) * outputs), (words[row] + word) * outputs);
          token++;
        }
      }
    }
    return { values: ofWords, outputs, words };
  }
  if (windows.length === rows) return logits;
  const means = new Float32Array(rows * outputs);
  for (let row = 0; row < rows; row++) {
    const count = starts[row + 1] - starts[row];
    for (let output = 0; output < outputs; output++) {
      let sum = 0;
      for (let window = starts[row]; window < starts[row + 1]; window++) sum += values[window * outputs + output];
      means[row * outputs + output] = sum / count;
    }
  }
  return { values: means, outputs };
}

const rowCount = ({ values, outputs, words }: Logits) => (words ? words.length - 1 : values.length / outputs);

/** Predictions of all rows, as metrics take them. */
export const predictions = (logits: Logits, labels: LabelSet): Predicted[] =>
  Array.from({ length: rowCount(logits) }, (_, row) => PROBLEMS[labels.problem].predict(rowOf(logits, row), labels));

/** One row's logits. // [C], or [words · C] */
export function rowOf({ values, outputs, words }: Logits, row: number): Float32Array {
  const [from, to] = words ? [words[row], words[row + 1]] : [row, row + 1];
  return values.subarray(from * outputs, to * outputs);
}

/** Values of a task's metrics, and the mean loss as `loss`. */
export function score(logits: Logits, targets: Targets, labels: LabelSet, metrics: Metrics): Record<string, number> {
  return { ...metrics.compute(predictions(logits, labels), targets), loss: meanLoss(logits, targets, labels) };
}

/** Mean loss, in float64. */
function meanLoss(logits: Logits, targets: Targets, { problem }: LabelSet): number {
  const { loss, answers = () => 1 } = PROBLEMS[problem];
  let [sum, count] = [0, 0];
  for (let row = 0; row < targets.length; row++) {
    const ofRow = rowOf(logits, row);
    sum += loss(ofRow, targets[row]);
    count += answers(ofRow, targets[row]);
  }
  return sum / count;
}
