import { gramMatrix, spectrumError } from '../test/analyzer/gram-matrices';

/**
 * Checks the eigenvalues of random Gram matrices of 2 to 128 dimensions against trace and norm. The
 * matrices are full, pruned, graded or rank-deficient. Seeds start at 0; a matrix that does not
 * converge ends the program with its seed.
 *
 *   node --require ./test/support/typescript-hook.cjs bench/spectra.ts [MATRICES]   (100,000)
 */
function benchSpectra(matrices: number): void {
  let worst = 0;
  for (let seed = 0; seed < matrices; seed++) {
    const { n, matrix } = gramMatrix(seed);
    try {
      worst = Math.max(worst, spectrumError(matrix, n));
    } catch (cause) {
      throw new Error(`seed ${seed}, ${n} dimensions`, { cause });
    }
  }
  process.stdout.write(`${matrices} Gram matrices converged; greatest relative error ${worst.toExponential(1)}\n`);
}

benchSpectra(Number(process.argv[2] ?? 100_000));
