import { minimise } from './lbfgs';

/** Matrix, row by row. */
export interface Matrix {
  values: Float64Array; // [rows, columns]
  rows: number;
  columns: number;
}

/** Multinomial logistic regression; the logits of a row x are W·x + b. */
export interface LogisticModel {
  weights: Float64Array; // [C, f]
  biases: Float64Array; // [C]
}

/**
 * Fits multinomial logistic regression: W and b minimize ½‖W‖² + c·Σ −log softmax(W·x + b)_y
 * (Hastie, Tibshirani & Friedman 2009, §4.4, with an L2 penalty), as scikit-learn's
 * LogisticRegression does for more than two classes. The biases are not penalized. With two classes
 * it equals binary regression with 2·c: each of the two weight vectors has half of their
 * difference.
 *
 * @param x one row per example // [n, f]
 * @param classes class indices, 0 … C − 1 // [n]
 * @param c inverse strength of the penalty, > 0
 */
export function fitLogistic(x: Matrix, classes: ArrayLike<number>, count: number, c: number): LogisticModel {
  const { rows: n, columns: f, values } = x;
  const weightCount = count * f;
  const decay = 1 / (c * n); // relative to the mean loss
  const logits = new Float64Array(count);
  const meanLoss = (parameters: Float64Array, gradient: Float64Array) => {
    const model = { weights: parameters.subarray(0, weightCount), biases: parameters.subarray(weightCount) };
    let value = 0;
    gradient.fill(0);
    for (let i = 0; i < weightCount; i++) {
      value += (decay / 2) * parameters[i] ** 2;
      gradient[i] = decay * parameters[i];
    }
    for (let row = 0; row < n; row++) {
      const example = values.subarray(row * f, (row + 1) * f);
      logitsInto(logits, model, example);
      const total = logSumExp(logits);
      value += (total - logits[classes[row]]) / n;
      for (let k = 0; k < count; k++) {
        const slope = (Math.exp(logits[k] - total) - (k === classes[row] ? 1 : 0)) / n;
        for (let i = 0, at = k * f; i < f; i++, at++) gradient[at] += slope * example[i];
        gradient[weightCount + k] += slope;
      }
    }
    return value;
  };
  const solution = minimise(meanLoss, new Float64Array(weightCount + count));
  return { weights: solution.slice(0, weightCount), biases: solution.slice(weightCount) };
}

/** Logits of every row. // [n, f] → [n, C] */
export function logisticLogits(model: LogisticModel, { values, rows, columns: f }: Matrix): Float32Array {
  const count = model.biases.length;
  const all = new Float32Array(rows * count);
  const logits = new Float64Array(count);
  for (let row = 0; row < rows; row++) {
    logitsInto(logits, model, values.subarray(row * f, (row + 1) * f));
    all.set(logits, row * count);
  }
  return all;
}

function logitsInto(logits: Float64Array, { weights, biases }: LogisticModel, example: Float64Array): void {
  const f = example.length;
  for (let k = 0; k < logits.length; k++) {
    let sum = biases[k];
    for (let i = 0, at = k * f; i < f; i++, at++) sum += weights[at] * example[i];
    logits[k] = sum;
  }
}

function logSumExp(values: Float64Array): number {
  const highest = values.reduce((a, b) => Math.max(a, b));
  return highest + Math.log(values.reduce((sum, value) => sum + Math.exp(value - highest), 0));
}
