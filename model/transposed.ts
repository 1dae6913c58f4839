/**
 * Side of the square blocks in which a matrix is transposed: two of them fit the first-level cache.
 */
const TILE = 32;

/** Transposes a matrix that is stored row by row: [rows, columns] → [columns, rows]. */
export function transposed<Numbers extends Float32Array | Int8Array>(
  matrix: Numbers,
  rows: number,
  columns: number,
): Numbers {
  const turned = new (matrix.constructor as new (length: number) => Numbers)(matrix.length);
  for (let left = 0; left < columns; left += TILE) {
    const right = Math.min(columns, left + TILE);
    for (let top = 0; top < rows; top += TILE) {
      const bottom = Math.min(rows, top + TILE);
      for (let c = left; c < right; c++) {
        let from = top * columns + c;
        for (let to = c * rows + top; to < c * rows + bottom; to++, from += columns) turned[to] = matrix[from];
      }
    }
  }
  return turned;
}
