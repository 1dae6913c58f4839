import type { Dataset } from '../../data/dataset';
import { duplicatesOf, duplicateWarnings } from '../../data/duplicates';

const rows = (texts: string[], seconds?: string[]): Dataset => ({
  ...{ path: 'rows.tsv', sha256: '', texts, rows: texts.length, skipped: 0, problem: 'single-label' },
  ...(seconds && { seconds }),
});

test('dev rows with the texts of a training row count once each', () => {
  expect(duplicatesOf(rows(['a', 'b', 'b']), rows(['b', 'c', 'b', 'A']))).toBe(2);
  expect(duplicatesOf(rows(['a', 'b'], ['x', 'y']), rows(['a', 'b', 'b'], ['y', 'y', 'x']))).toBe(1);
  expect(duplicatesOf(rows(['a']), rows(['b']))).toBe(0);
});

test('they are reported in one line', () => {
  expect(duplicateWarnings(rows(['a']), 0, 5)).toEqual([]);
  expect(duplicateWarnings(rows(['a']), 2, 5)).toEqual([
    'rows.tsv: 2 of the 5 dev rows have texts of the training rows; a high metric may come from them',
  ]);
});
