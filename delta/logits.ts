import { evaluationBatches } from '../data/batches';
import type { Targets } from '../data/label-reading';
import type { LabelSet } from '../data/problem';
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
 * @param logitsOf runs one batch and returns [B, C]
 * @yields the number of rows done
 */
export async function* evaluateRows<Batch>(
  logitsOf: (batch: Batch) => Float32Array | Promise<Float32Array>,
  source: BatchedRows<Batch>,
  batchSize: number,
): AsyncGenerator<number, Logits> {
  const rows = source.lengths.length;
  let values = new Float32Array(0);
  let outputs = 0;
  let done = 0;
  for (const batch of evaluationBatches(source.lengths, batchSize)) {
    const logits = await logitsOf(source.read(batch));
    if (outputs === 0) {
      outputs = logits.length / batch.length;
      values = new Float32Array(rows * outputs);
    }
    batch.forEach((row, i) => {
      values.set(logits.subarray(i * outputs, (i + 1) * outputs), row * outputs);
    });
    done += batch.length;
    yield done;
  }
  return { values, outputs };
}

/** Predictions of all rows, as metrics take them. */
export const predictions = (logits: Logits, labels: LabelSet): Predicted[] =>
  Array.from({ length: logits.values.length / logits.outputs }, (_, row) =>
    PROBLEMS[labels.problem].predict(rowOf(logits, row), labels),
  );

/** One row's logits. // [C] */
export const rowOf = ({ values, outputs }: Logits, row: number) => values.subarray(row * outputs, (row + 1) * outputs);

/** Values of a task's metrics, and the mean loss as `loss`. */
export function score(logits: Logits, targets: Targets, labels: LabelSet, metrics: Metrics): Record<string, number> {
  return { ...metrics.compute(predictions(logits, labels), targets), loss: meanLoss(logits, targets, labels) };
}

/** Mean loss, in float64. */
function meanLoss(logits: Logits, targets: Targets, { problem }: LabelSet): number {
  let sum = 0;
  for (let row = 0; row < targets.length; row++) sum += PROBLEMS[problem].loss(rowOf(logits, row), targets[row]);
  return sum / targets.length;
}
