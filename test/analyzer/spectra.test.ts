import * as fs from 'node:fs';
import * as path from 'node:path';
import * as fc from 'fast-check';
import { symmetricEigenvalues, tridiagonalEigenvalues } from '../../analyzer/eigenvalues';
import { singularValues } from '../../analyzer/singular-values';
import { gramMatrix, spectrumError } from './gram-matrices';

const golden: {
  gram: number[][];
  symmetric: { n: number; matrix: number[]; eigenvalues: number[] }[];
  singular: { rows: number; columns: number; matrix: number[]; values: number[] }[];
} = JSON.parse(fs.readFileSync(path.join(__dirname, 'spectra.golden.json'), 'utf8'));

const descending = (values: Float64Array) => Array.from(values).sort((a, b) => b - a);

function eigenvalues(matrix: ArrayLike<number>, n: number): number[] {
  const values = new Float64Array(n);
  symmetricEigenvalues(Float64Array.from(matrix), n, values, new Float64Array(n));
  return descending(values);
}

/** Flattens `matrix` row by row. */
function singular(matrix: ArrayLike<number>, rows: number, columns: number): number[] {
  const byColumn = Float64Array.from({ length: rows * columns }, (_, i) => {
    const row = i % rows;
    return matrix[row * columns + Math.floor(i / rows)];
  });
  const values = new Float64Array(columns);
  singularValues(byColumn, rows, columns, values);
  return descending(values);
}

/**
 * Checks values within `ulps` units in the last place of the largest, as of a backward stable
 * method.
 */
function expectClose(found: number[], wanted: number[], ulps = 64): void {
  expect(found).toHaveLength(wanted.length);
  const scale = Math.max(...wanted.map(Math.abs), Number.MIN_VALUE);
  for (const [i, value] of wanted.entries()) {
    expect(Math.abs(found[i] - value)).toBeLessThanOrEqual(ulps * Number.EPSILON * scale);
  }
}

describe('symmetricEigenvalues', () => {
  it('agrees with LAPACK', () => {
    for (const { n, matrix, eigenvalues: wanted } of golden.symmetric) expectClose(eigenvalues(matrix, n), wanted);
  });

  it('agrees with LAPACK within 1e-9 of the largest, on full, pruned, graded and rank-deficient Gram matrices', () => {
    expect(golden.gram.length).toBeGreaterThanOrEqual(150);
    for (const [seed, wanted] of golden.gram.entries()) {
      const { n, matrix } = gramMatrix(seed);
      const found = eigenvalues(matrix, n);
      const worst = Math.max(...found.map((value, i) => Math.abs(value - wanted[i])));
      expect({ seed, near: worst <= 1e-9 * Math.max(wanted[0], Number.MIN_VALUE) }).toEqual({ seed, near: true });
    }
  });

  // bench/spectra.ts checks 100,000.
  it('converges on 1,000 matrices with the right trace and sum of squares', () => {
    const errors = Array.from({ length: 1000 }, (_, seed) => {
      const { n, matrix } = gramMatrix(seed);
      return spectrumError(matrix, n);
    });
    expect(Math.max(...errors)).toBeLessThan(1e-12);
  });

  it('accepts numbers whose squares under- or overflow', () => {
    const { n, matrix } = gramMatrix(1);
    const wanted = eigenvalues(matrix, n);
    for (const factor of [2 ** -1000, 2 ** -700, 2 ** -400, 2 ** 500, 2 ** 900]) {
      const found = eigenvalues(
        matrix.map((value) => value * factor),
        n,
      );
      const unscaled = found.map((value) => value / factor);
      expectClose(unscaled, wanted, 1024);
    }
  });

  it('solves a tridiagonal matrix graded down to the smallest exponents', () => {
    const d = Float64Array.from({ length: 30 }, (_, i) => 2 ** (-36 * i));
    const e = d.slice();
    const trace = d.reduce((sum, value) => sum + value);
    tridiagonalEigenvalues(d, e, 30);
    expect(d.reduce((sum, value) => sum + value)).toBeCloseTo(trace, 14);
  });

  it('has the closed form of a tridiagonal Toeplitz matrix: a + 2b·cos(kπ/(n+1))', () => {
    for (const n of [2, 5, 32, 64]) {
      const [a, b] = [2, -0.7];
      const matrix = Float64Array.from({ length: n * n }, (_, i) => {
        const distance = Math.abs(Math.floor(i / n) - (i % n));
        return distance === 0 ? a : distance === 1 ? b : 0;
      });
      const wanted = Array.from({ length: n }, (_, k) => a + 2 * b * Math.cos(((k + 1) * Math.PI) / (n + 1)));
      expectClose(
        eigenvalues(matrix, n),
        wanted.sort((x, y) => y - x),
      );
    }
  });

  it('returns the diagonal of a diagonal matrix, and one value ‖x‖² of xxᵀ', () => {
    const diagonal = [5, -3, 0, 1e-9, 7];
    const matrix = diagonal.flatMap((value, i) => diagonal.map((_, j) => (i === j ? value : 0)));
    expectClose(eigenvalues(matrix, 5), [7, 5, 1e-9, 0, -3], 1);
    const x = [1, -2, 3, 0.5];
    const outer = x.flatMap((u) => x.map((v) => u * v));
    expectClose(eigenvalues(outer, 4), [14.25, 0, 0, 0], 8);
    expect(eigenvalues(new Float64Array(9), 3)).toEqual([0, 0, 0]);
  });

  it("has the Hilbert matrix's determinant: 1/2160 at n = 3, trace and det at n = 4", () => {
    const hilbert = (n: number) =>
      Float64Array.from({ length: n * n }, (_, i) => 1 / (Math.floor(i / n) + (i % n) + 1));
    const product = (values: number[]) => values.reduce((a, b) => a * b);
    expect(product(eigenvalues(hilbert(3), 3)) * 2160).toBeCloseTo(1, 10);
    expect(product(eigenvalues(hilbert(4), 4)) * 6_048_000).toBeCloseTo(1, 8);
    expect(eigenvalues(hilbert(4), 4).reduce((a, b) => a + b)).toBeCloseTo(1 + 1 / 3 + 1 / 5 + 1 / 7, 14);
  });

  it('reads only the lower triangle', () => {
    const matrix = [2, Number.NaN, Number.NaN, 1, 2, Number.NaN, 0, 1, 2];
    expectClose(eigenvalues(matrix, 3), [2 + Math.SQRT2, 2, 2 - Math.SQRT2]);
  });

  it('throws if it does not converge', () => {
    const d = Float64Array.of(1, Number.NaN, 1);
    expect(() => tridiagonalEigenvalues(d, Float64Array.of(0, 1, 1), 3)).toThrow('has not converged');
  });
});

describe('singularValues', () => {
  it('agrees with LAPACK', () => {
    for (const { rows, columns, matrix, values } of golden.singular)
      expectClose(singular(matrix, rows, columns), values);
  });

  it("are the roots of the Gram matrix's eigenvalues", () => {
    const sizes = fc.record({ rows: fc.integer({ min: 1, max: 14 }), columns: fc.integer({ min: 1, max: 10 }) });
    const matrices = sizes
      .filter(({ rows, columns }) => rows >= columns)
      .chain(({ rows, columns }) =>
        fc.record({
          rows: fc.constant(rows),
          columns: fc.constant(columns),
          matrix: fc.array(
            fc.integer({ min: -2000, max: 2000 }).map((thousandths) => thousandths / 1000),
            {
              minLength: rows * columns,
              maxLength: rows * columns,
            },
          ),
        }),
      );
    fc.assert(
      fc.property(matrices, ({ rows, columns, matrix }) => {
        const gram = Float64Array.from({ length: columns * columns }, (_, at) => {
          const [i, j] = [Math.floor(at / columns), at % columns];
          let sum = 0;
          for (let row = 0; row < rows; row++) sum += matrix[row * columns + i] * matrix[row * columns + j];
          return sum;
        });
        const squares = singular(matrix, rows, columns).map((sigma) => sigma * sigma);
        expectClose(squares, eigenvalues(gram, columns), 256);
      }),
    );
  });

  it('finds values far below the largest, which a Gram matrix loses', () => {
    // Two nearly equal columns: σ = √(1 ± cos), about √2 and 1e-10/√2.
    const values = singular([1, 1, 0, 1e-10], 2, 2);
    expect(values[1] / (1e-10 / Math.SQRT2)).toBeCloseTo(1, 6);
  });

  it('converges for numbers that underflow', () => {
    expect(singular([1e-170, 1e-170, 0, -0.5], 2, 2)).toEqual([0.5, 0]);
  });

  it('accepts numbers whose squares under- or overflow', () => {
    for (const factor of [1e-300, 1e-160, 1e160, 1e300]) {
      const [largest, least] = singular([3 * factor, 0, 4 * factor, 5 * factor], 2, 2).map((value) => value / factor);
      expect(largest).toBeCloseTo(3 * Math.sqrt(5), 12);
      expect(least).toBeCloseTo(Math.sqrt(5), 12);
    }
  });

  it('accepts zeros, and requires a tall matrix', () => {
    expect(singular(new Float64Array(12), 4, 3)).toEqual([0, 0, 0]);
    expect(() => singularValues(new Float64Array(6), 2, 3, new Float64Array(3))).toThrow('give the transpose');
  });
});
