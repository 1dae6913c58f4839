import * as fs from 'node:fs';
import * as path from 'node:path';
import { rowOfDistance } from '../../model/architectures/deberta';
import { rangeOf } from '../../model/architectures/mpnet';

// Against transformers: see make_distances_golden.py.
const golden = JSON.parse(fs.readFileSync(path.join(__dirname, 'distances.golden.json'), 'utf8')) as {
  mpnet: number[];
  deberta: [buckets: number, farthest: number, of: number[]][];
};
const distances = golden.mpnet.map((_, at) => at - 511);

test("MPNet's ranges of distances are transformers'", () => {
  expect(distances.map(rangeOf)).toEqual(golden.mpnet);
});

test.each(golden.deberta)("DeBERTa's %i buckets up to %i are transformers'", (buckets, farthest, expected) => {
  const rowOf = rowOfDistance({ position_buckets: buckets, farthest, span: buckets });
  const rows = expected.map((bucket) => Math.min(2 * buckets - 1, Math.max(0, bucket + buckets)));
  expect(distances.map(rowOf)).toEqual(rows);
});

test('without buckets each distance within the span has a row of its own', () => {
  const rowOf = rowOfDistance({ position_buckets: -1, farthest: 3, span: 3 });
  expect([-9, -3, -1, 0, 1, 2, 3, 9].map(rowOf)).toEqual([0, 0, 2, 3, 4, 5, 5, 5]);
});
