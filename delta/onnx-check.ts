import type { Encoded } from '../data/batches';
import { randomStream } from '../data/random';
import { failed } from '../foundation/errors';
import type { TaskHeadKind } from '../model/architecture';
import type { ModelConfig } from '../model/config';
import type { OnnxDtype } from '../model/onnx-dtype';
import type { Logits } from './logits';
import { argmax } from './metrics';

/*
 * Check of an ONNX file before its folder appears: its logits are compared with the trainer's.
 */

/** Largest difference of a float32 file's logit from the trainer's; relative for logits above 1. */
const TOLERANCE = 1e-4;

/**
 * Share of the clear rows whose answer a rounded file may change. No bound on the rounding of
 * logits holds for every model. A broken file answers at random, which changes half of the clear
 * rows of two classes and more of several. With 16 clear rows and two classes, a random file passes
 * once in 26 times.
 */
const CHANGED_SHARE = 0.25;

/** Number of rows in the check. */
const DRAWN_ROWS = 32;

/** Most tokens of a row: attention over a decoder's 40,960 would take more memory than there is. */
const MOST_TOKENS = 512;

/**
 * Draws rows of any of the model's tokens, from one token to its limit or 512, with the later half
 * of a row in the second segment.
 *
 * @param kind what has logits: each row, or every token of it
 */
export function drawnRows(
  { vocabSize, maxPositions }: Pick<ModelConfig, 'vocabSize' | 'maxPositions'>,
  segments: boolean,
  kind: TaskHeadKind = 'sequence',
): Encoded[] {
  const random = randomStream(0, 'onnx/check');
  return Array.from({ length: DRAWN_ROWS }, (_, i) => {
    const length = i === 0 ? Math.min(maxPositions, MOST_TOKENS) : 1 + random.int(Math.min(maxPositions, 4 * i));
    const ids = Array.from({ length }, () => random.int(vocabSize));
    const every = Int32Array.from(ids, (_, at) => at);
    return {
      ids,
      typeIds: ids.map((_, at) => (segments && 2 * at > length ? 1 : 0)),
      ...(kind === 'token' && { asked: { at: every, words: every } }),
    };
  });
}

/**
 * Compares a file's logits with the trainer's. A float32 file must agree within 1e-4. For the other
 * types the check compares answers, on the half of the rows that the trainer answers most clearly.
 *
 * @returns the largest difference of two logits
 * @throws HifiError FAILED if they differ by more, or one is not finite
 */
export function largestDifference(dtype: OnnxDtype, found: Logits, expected: Logits): number {
  const row = (at: number) => Math.floor(at / expected.outputs);
  let largest = 0;
  found.values.forEach((logit, i) => {
    const right = expected.values[i];
    const difference = Math.abs(logit - right);
    if (!Number.isFinite(difference) || (dtype === 'fp32' && difference > TOLERANCE * Math.max(1, Math.abs(right)))) {
      throw notWritten(dtype, `row ${row(i)} of the check has the logit ${logit}, the trainer's is ${right}`);
    }
    largest = Math.max(largest, difference);
  });
  const [answers, right] = [answersOf(found, expected), answersOf(expected, expected)];
  const clear = [...right].sort((a, b) => b.margin - a.margin).slice(0, right.length / 2);
  const changed = clear.filter((answer) => answers[answer.row].side !== answer.side).length;
  if (changed > CHANGED_SHARE * clear.length) {
    const share = `${changed} of the ${clear.length} rows that the trainer answers most clearly`;
    throw notWritten(dtype, `it changes the answer to ${share}`);
  }
  return largest;
}

const notWritten = (dtype: OnnxDtype, what: string) =>
  failed(`the ONNX model (${dtype}) is not exact, so it was not written: ${what}`);

/**
 * Answer to each row: its class, with the distance between the two highest logits. For a regression
 * it is the side of the trainer's median, with the distance from it.
 *
 * @param expected the trainer's logits
 */
function answersOf({ values, outputs }: Logits, expected: Logits) {
  const rows = Array.from({ length: values.length / outputs }, (_, row) => row);
  if (outputs === 1) {
    const median = expected.values.toSorted()[rows.length / 2];
    return rows.map((row) => ({
      row,
      side: values[row] < median ? 0 : 1,
      margin: Math.abs(expected.values[row] - median),
    }));
  }
  return rows.map((row) => {
    const logits = values.subarray(row * outputs, (row + 1) * outputs);
    const [first, second] = logits.toSorted().slice(-2).reverse();
    return { row, side: argmax(logits), margin: first - second };
  });
}
