import { symmetricEigenvalues } from '../../analyzer/eigenvalues';

/*
 * Gram matrices OᵀO of seeded head outputs O, as make_spectra_golden.py makes them too. Entries of
 * O are integers times a power of two per column, so each Gram matrix is exact and the same in both
 * languages.
 */

/** Gram matrix of the head outputs of one seed. */
export interface GramMatrix {
  /** Head size dh, 2 … 128. */
  n: number;
  /** Row-major values. */
  matrix: Float64Array;
}

/** Park and Miller's generator with 48271: products stay below 2^53. */
function* draws(seed: number): Generator<number> {
  for (let state = (seed % 2147483646) + 1; ; ) {
    state = (state * 48271) % 2147483647;
    yield state;
  }
}

/**
 * Draws dh, the number of rows, the share of live columns, the grading of the columns and the
 * scale. Fewer rows than dh make a matrix rank-deficient. The other columns are 0, as after pruning
 * of value rows.
 */
export function gramMatrix(seed: number): GramMatrix {
  const stream = draws(seed);
  const draw = (n: number) => (stream.next().value as number) % n;
  for (let skip = 0; skip < 8; skip++) draw(1);
  const n = 2 + draw(127);
  const rows = draw(3) === 0 ? 1 + draw(n) : n + draw(64);
  const live = [100, 10, 50, 5][draw(4)];
  const grade = [0, 0, 1, 4][draw(4)];
  const scale = [0, -30, 12][draw(3)];
  const outputs = new Float64Array(rows * n);
  for (let column = 0; column < n; column++) {
    if (draw(100) >= live) continue;
    const factor = 2 ** (scale - Math.floor((grade * column * 16) / n));
    for (let row = 0; row < rows; row++) outputs[row * n + column] = (draw(2001) - 1000) * factor;
  }
  const matrix = new Float64Array(n * n);
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < n; i++) {
      const value = outputs[row * n + i];
      if (value !== 0) for (let j = 0; j <= i; j++) matrix[i * n + j] += value * outputs[row * n + j];
    }
  }
  for (let i = 0; i < n; i++) for (let j = 0; j < i; j++) matrix[j * n + i] = matrix[i * n + j];
  return { n, matrix };
}

/**
 * Relative distance of the eigenvalues from the matrix: of their sum from its trace, and of their
 * sum of squares from its squared norm.
 * @throws Error if a value does not converge
 */
export function spectrumError(matrix: Float64Array, n: number): number {
  let trace = 0;
  let squares = 0;
  for (let i = 0; i < n; i++) trace += matrix[i * n + i];
  for (let i = 0; i < n * n; i++) squares += matrix[i] * matrix[i];
  const values = new Float64Array(n);
  symmetricEigenvalues(Float64Array.from(matrix), n, values, new Float64Array(n));
  let sum = 0;
  let sumOfSquares = 0;
  for (const value of values) {
    sum += value;
    sumOfSquares += value * value;
  }
  if (squares === 0) return sumOfSquares;
  return Math.max(Math.abs(sum / trace - 1), Math.abs(sumOfSquares / squares - 1));
}
