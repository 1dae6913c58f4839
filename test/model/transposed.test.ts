import { transposed } from '../../model/transposed';

test('[2, 3] becomes [3, 2], of the same type', () => {
  expect(transposed(Float32Array.of(1, 2, 3, 4, 5, 6), 2, 3)).toEqual(Float32Array.of(1, 4, 2, 5, 3, 6));
  expect(transposed(Int8Array.of(1, -2, 3, -4), 1, 4)).toEqual(Int8Array.of(1, -2, 3, -4));
});

test('each number of a matrix of several blocks moves to its place', () => {
  const [rows, columns] = [70, 41];
  const matrix = Float32Array.from({ length: rows * columns }, (_, i) => i);
  const turned = transposed(matrix, rows, columns);
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) expect(turned[c * rows + r]).toBe(r * columns + c);
  expect(transposed(turned, columns, rows)).toEqual(matrix);
});
