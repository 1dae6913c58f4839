import { largestOf, multiply, rangeScale } from './number-range';

/** Inner products below this underflow. */
const UNDERFLOW = 1e-290;

/**
 * Maximum number of sweeps over all pairs of columns. Convergence is quadratic; 6 to 10 are usual.
 */
const MAX_SWEEPS = 60;

/**
 * Computes singular values in float64 by one-sided Jacobi (Hestenes 1958; Golub & Van Loan §8.6.3).
 * Pairs of columns are rotated until all are orthogonal; their norms are the values. A tall matrix
 * is first reduced to its triangular factor, which has the same values.
 *
 * @param a columns of the matrix one after another, `rows` numbers each; rows ≥ columns;
 *   overwritten
 * @param sigma gets the values in its first `columns` entries, in no order
 * @throws Error if it has not converged, which does not happen for a finite matrix
 */
export function singularValues(a: Float64Array, rows: number, columns: number, sigma: Float64Array): void {
  if (rows < columns) throw new RangeError(`singularValues of ${rows} × ${columns}: give the transpose`);
  const scale = rangeScale(largestOf(a, rows * columns));
  multiply(a, rows * columns, scale);
  const height = rows > columns ? triangularise(a, rows, columns) : rows;
  // Columns this close to orthogonal change no value by more than ε·‖a‖, the rounding of the whole.
  let squares = 0;
  for (let j = 0; j < columns; j++) squares += dot(a, j * rows, j * rows, height);
  const negligible = Math.max(squares * Number.EPSILON * Number.EPSILON, UNDERFLOW);
  for (let sweep = 0; !sweepPairs(a, rows, height, columns, negligible); sweep++) {
    if (sweep === MAX_SWEEPS) throw new Error(`singular values have not converged in ${MAX_SWEEPS} sweeps`);
  }
  for (let j = 0; j < columns; j++) sigma[j] = Math.sqrt(dot(a, j * rows, j * rows, height));
  multiply(sigma, columns, 1 / scale);
}

/**
 * Computes Householder QR in place, with R in the first `columns` entries of each column. Returns
 * R's height.
 */
function triangularise(a: Float64Array, rows: number, columns: number): number {
  for (let j = 0; j < columns; j++) {
    const at = j * rows + j;
    const length = rows - j;
    const norm = Math.sqrt(dot(a, at, at, length));
    if (norm === 0) continue;
    const alpha = a[at] >= 0 ? -norm : norm;
    a[at] -= alpha; // the column now holds the reflector's vector u
    const half = -alpha * a[at]; // uᵀu / 2
    for (let k = j + 1; k < columns; k++) {
      const other = k * rows + j;
      const factor = dot(a, at, other, length) / half;
      for (let i = 0; i < length; i++) a[other + i] -= factor * a[at + i];
    }
    a[at] = alpha;
    a.fill(0, at + 1, at + length);
  }
  return columns;
}

/** Rotates each pair of columns once. Returns true if none needed it. */
function sweepPairs(a: Float64Array, stride: number, height: number, columns: number, negligible: number): boolean {
  let settled = true;
  const tolerance = height * Number.EPSILON; // rounding error of an inner product
  for (let p = 0; p < columns - 1; p++) {
    for (let q = p + 1; q < columns; q++) {
      const x = p * stride;
      const y = q * stride;
      const xx = dot(a, x, x, height);
      const yy = dot(a, y, y, height);
      const xy = dot(a, x, y, height);
      if (Math.abs(xy) <= Math.max(tolerance * Math.sqrt(xx * yy), negligible)) continue;
      settled = false;
      const ratio = (yy - xx) / (2 * xy);
      const tangent = (ratio >= 0 ? 1 : -1) / (Math.abs(ratio) + Math.sqrt(1 + ratio * ratio));
      const cosine = 1 / Math.sqrt(1 + tangent * tangent);
      const sine = cosine * tangent;
      for (let i = 0; i < height; i++) {
        const left = a[x + i];
        const right = a[y + i];
        a[x + i] = cosine * left - sine * right;
        a[y + i] = sine * left + cosine * right;
      }
    }
  }
  return settled;
}

function dot(a: Float64Array, from: number, other: number, length: number): number {
  let sum = 0;
  for (let i = 0; i < length; i++) sum += a[from + i] * a[other + i];
  return sum;
}
