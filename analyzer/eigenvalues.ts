import { largestOf, multiply, rangeScale } from './number-range';

/*
 * Eigenvalues of small symmetric matrices in float64: Householder tridiagonalisation and the
 * implicit QL method, without eigenvectors (Golub & Van Loan, Matrix Computations, §8.3; after
 * EISPACK's tred1 and tql1).
 */

/** Maximum number of QL sweeps for one eigenvalue; two are usual. */
const MAX_SWEEPS = 60;
/** Bounds of the squared sides of a rotation within which their sum is accurate. */
const SMALLEST_SQUARE = 2 ** -900;
const LARGEST_SQUARE = 2 ** 900;

/**
 * Computes the eigenvalues of a symmetric n×n matrix.
 *
 * @param a the matrix row by row; its lower triangle is read and overwritten
 * @param eigenvalues gets the values in its first n entries, in no order
 * @param work scratch of at least n numbers
 * @throws Error if a value has not converged, which does not happen for a finite matrix
 */
export function symmetricEigenvalues(a: Float64Array, n: number, eigenvalues: Float64Array, work: Float64Array): void {
  tridiagonalise(a, n, eigenvalues, work);
  tridiagonalEigenvalues(eigenvalues, work, n);
}

/**
 * Reduces a to tridiagonal QᵀaQ: its diagonal in `d`, its subdiagonal in `e[1 … n−1]`; `e[0]` = 0.
 */
function tridiagonalise(a: Float64Array, n: number, d: Float64Array, e: Float64Array): void {
  for (let i = n - 1; i > 0; i--) {
    const row = i * n;
    let scale = 0;
    for (let k = 0; k < i; k++) scale += Math.abs(a[row + k]);
    if (i === 1 || scale === 0) {
      e[i] = a[row + i - 1];
      d[i] = a[row + i];
      continue;
    }
    // u = the row left of the diagonal, reflected onto its last entry. It is scaled so that squares
    // neither over- nor underflow.
    let h = 0;
    for (let k = 0; k < i; k++) {
      const u = a[row + k] / scale;
      a[row + k] = u;
      h += u * u;
    }
    const f = a[row + i - 1];
    const g = f >= 0 ? -Math.sqrt(h) : Math.sqrt(h);
    e[i] = scale * g;
    d[i] = a[row + i];
    h -= f * g;
    a[row + i - 1] = f - g;
    // p = A·u/h in e[0 … i−1]. Each row of the lower triangle is read once, for itself and its
    // mirror image.
    for (let j = 0; j < i; j++) e[j] = 0;
    for (let j = 0; j < i; j++) {
      const uj = a[row + j];
      const rowJ = j * n;
      let sum = a[rowJ + j] * uj;
      for (let k = 0; k < j; k++) {
        const ajk = a[rowJ + k];
        sum += ajk * a[row + k];
        e[k] += ajk * uj;
      }
      e[j] += sum;
    }
    let up = 0;
    for (let j = 0; j < i; j++) {
      e[j] /= h;
      up += e[j] * a[row + j];
    }
    const half = up / (h + h);
    for (let j = 0; j < i; j++) e[j] -= half * a[row + j];
    // A ← A − u·qᵀ − q·uᵀ, lower triangle.
    for (let j = 0; j < i; j++) {
      const uj = a[row + j];
      const qj = e[j];
      const rowJ = j * n;
      for (let k = 0; k <= j; k++) a[rowJ + k] -= uj * e[k] + qj * a[row + k];
    }
  }
  d[0] = a[0];
  e[0] = 0;
}

/** Computes the eigenvalues of the tridiagonal matrix (d, e[1 … n−1]) in `d`. Overwrites `e`. */
export function tridiagonalEigenvalues(d: Float64Array, e: Float64Array, n: number): void {
  for (let i = 1; i < n; i++) e[i - 1] = e[i];
  e[n - 1] = 0;
  const largest = Math.max(largestOf(d, n), largestOf(e, n - 1));
  const scale = rangeScale(largest);
  multiply(d, n, scale);
  multiply(e, n - 1, scale);
  implicitQl(d, e, n, Number.EPSILON ** 2 * largest * scale);
  multiply(d, n, 1 / scale);
}

/**
 * Runs the implicit QL method.
 * @param lost size at which an off-diagonal entry counts as 0, far below the largest entry
 */
function implicitQl(d: Float64Array, e: Float64Array, n: number, lost: number): void {
  for (let l = 0; l < n; l++) {
    for (let sweep = 0; ; sweep++) {
      let m = l;
      for (; m < n - 1; m++) {
        const size = Math.abs(d[m]) + Math.abs(d[m + 1]);
        if (Math.abs(e[m]) <= Number.EPSILON * size + lost) break;
      }
      if (m === l) break;
      if (sweep === MAX_SWEEPS) throw new Error(`eigenvalue ${l} of ${n} has not converged in ${MAX_SWEEPS} sweeps`);
      // A sweep works upwards and shrinks by the size of each entry. If the lower end is negligible
      // beside the upper one, the sweep has no effect there.
      if (sweep === 0 && Math.abs(d[m]) < Number.EPSILON * Math.abs(d[l])) reverseBlock(d, e, l, m);
      qlSweep(d, e, l, m);
    }
  }
}

/** Reverses the block l … m, which does not change its eigenvalues. */
function reverseBlock(d: Float64Array, e: Float64Array, l: number, m: number): void {
  d.subarray(l, m + 1).reverse();
  e.subarray(l, m).reverse();
}

/** Runs one implicit QL sweep with Wilkinson's shift over the unreduced block l … m. */
function qlSweep(d: Float64Array, e: Float64Array, l: number, m: number): void {
  const ratio = (d[l + 1] - d[l]) / (2 * e[l]);
  const root = Math.sqrt(ratio * ratio + 1);
  let g = d[m] - d[l] + e[l] / (ratio + (ratio >= 0 ? root : -root));
  let s = 1;
  let c = 1;
  let p = 0;
  let i = m - 1;
  for (; i >= l; i--) {
    const f = s * e[i];
    const b = c * e[i];
    const squares = f * f + g * g;
    const r = squares > SMALLEST_SQUARE && squares < LARGEST_SQUARE ? Math.sqrt(squares) : Math.hypot(f, g);
    e[i + 1] = r;
    if (r === 0) {
      // The block splits in two.
      d[i + 1] -= p;
      e[m] = 0;
      break;
    }
    s = f / r;
    c = g / r;
    g = d[i + 1] - p;
    const q = (d[i] - g) * s + 2 * c * b;
    p = s * q;
    d[i + 1] = g + p;
    g = c * q - b;
  }
  if (i >= l) return;
  d[l] -= p;
  e[l] = g;
  e[m] = 0;
}
