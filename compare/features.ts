import * as fs from 'node:fs';
import { failed } from '../foundation/errors';
import type { Matrix } from './logistic';

/** File with the embeddings of a dataset's rows, written by the analyzer's `embed`. */
export interface EmbeddingFile {
  file: string;
  rows: number;
  width: number;
  pairs: boolean;
}

/**
 * Reads the features of rows for logistic regression: a text's embedding u, or for a pair
 * [u, v, |u − v|, u ⊙ v] (Conneau et al. 2017, §3.1). Reads row by row, because a file may exceed
 * memory.
 *
 * @param chosen rows, in the requested order
 * @returns // [n, d], of pairs [n, 4·d]
 */
export function featuresOf({ file, rows, width: d, pairs }: EmbeddingFile, chosen: ArrayLike<number>): Matrix {
  const columns = pairs ? 4 * d : d;
  const values = new Float64Array(chosen.length * columns);
  const [u, v] = [new Float32Array(d), new Float32Array(d)];
  const opened = fs.openSync(file, 'r');
  const read = (into: Float32Array, row: number) => {
    const bytes = fs.readSync(opened, new Uint8Array(into.buffer), 0, 4 * d, 4 * d * row);
    if (bytes < 4 * d) throw failed(`${file} ends within row ${row}`);
  };
  try {
    Array.from(chosen).forEach((row, n) => {
      const at = n * columns;
      read(u, row);
      values.set(u, at);
      if (!pairs) return;
      read(v, rows + row);
      for (let i = 0; i < d; i++) {
        values[at + d + i] = v[i];
        values[at + 2 * d + i] = Math.abs(u[i] - v[i]);
        values[at + 3 * d + i] = u[i] * v[i];
      }
    });
  } finally {
    fs.closeSync(opened);
  }
  return { values, rows: chosen.length, columns };
}
