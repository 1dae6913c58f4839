import * as fs from 'node:fs';
import type { Matrix } from './logistic';

/** Embeddings of the rows of one file, as the analyzer's `embed` writes them. */
export interface EmbeddingFile {
  file: string;
  rows: number;
  width: number;
  pairs: boolean;
}

/**
 * What logistic regression sees of rows: a text's embedding u; of a pair [u, v, |u − v|, u ⊙ v] (Conneau et al. 2017, §3.1).
 *
 * @param parts files and of each the rows, in the order wanted
 * @returns // [n, d], of pairs [n, 4·d]
 */
export function featuresOf(parts: readonly { embeddings: EmbeddingFile; rows: ArrayLike<number> }[]): Matrix {
  const [{ embeddings }] = parts;
  const { width: d, pairs } = embeddings;
  const columns = pairs ? 4 * d : d;
  const total = parts.reduce((sum, { rows }) => sum + rows.length, 0);
  const values = new Float64Array(total * columns);
  let at = 0;
  for (const { embeddings, rows } of parts) {
    const numbers = new Float32Array(Uint8Array.from(fs.readFileSync(embeddings.file)).buffer);
    const text = (row: number) => numbers.subarray(row * d, (row + 1) * d);
    for (const row of Array.from(rows)) {
      const u = text(row);
      values.set(u, at);
      if (pairs) {
        const v = text(embeddings.rows + row);
        for (let i = 0; i < d; i++) {
          values[at + d + i] = v[i];
          values[at + 2 * d + i] = Math.abs(u[i] - v[i]);
          values[at + 3 * d + i] = u[i] * v[i];
        }
      }
      at += columns;
    }
  }
  return { values, rows: total, columns };
}
