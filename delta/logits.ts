import { evaluationBatches } from '../data/batches';
import type { ProblemType } from '../data/problem';
import type { Metrics } from './metrics';
import { PROBLEMS } from './problems';

/** Logits of every row, in the rows' order. // [n, C] */
export interface Logits {
  values: Float32Array;
  outputs: number;
}

/** Rows that can be read in batches, as an engine takes them. */
export interface BatchedRows<Batch> {
  /** Tokens of each row. */
  lengths: ArrayLike<number>;
  read(rows: Int32Array): Batch;
}

/**
 * Runs all rows through a network, likes with likes.
 *
 * @param logitsOf runs one batch // → [B, C]
 * @yields rows done
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

/** What the logits say of each row: the likeliest class, or the number. */
export const predictions = (logits: Logits, problem: ProblemType): Float64Array =>
  Float64Array.from({ length: logits.values.length / logits.outputs }, (_, row) =>
    PROBLEMS[problem].predict(rowOf(logits, row)),
  );

/** One row's logits. // [C] */
export const rowOf = ({ values, outputs }: Logits, row: number) => values.subarray(row * outputs, (row + 1) * outputs);

/** The task's metrics, and the mean loss as `loss`. */
export function score(
  logits: Logits,
  targets: ArrayLike<number>,
  problem: ProblemType,
  metrics: Metrics,
): Record<string, number> {
  return { ...metrics.compute(predictions(logits, problem), targets), loss: meanLoss(logits, targets, problem) };
}

/** Mean loss, in float64. */
function meanLoss(logits: Logits, targets: ArrayLike<number>, problem: ProblemType): number {
  let sum = 0;
  for (let row = 0; row < targets.length; row++) sum += PROBLEMS[problem].loss(rowOf(logits, row), targets[row]);
  return sum / targets.length;
}
