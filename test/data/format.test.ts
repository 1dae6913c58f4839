import { formatOf } from '../../data/format';

it('follows from the extension, in any letter case, gzipped or not', () => {
  const names = [
    'a.csv',
    'A.CSV',
    'a.tsv',
    'a.tab',
    'a.jsonl',
    'a.ndjson',
    'a.parquet',
    'a.txt',
    'a.b.tsv.gz',
    'a.TXT.GZ',
  ];
  expect(names.map((name) => formatOf(name))).toEqual('csv csv tsv tsv jsonl jsonl parquet txt tsv txt'.split(' '));
});

it.each(['rows.xlsx', 'rows', 'rows.gz', 'toString', 'a.constructor'])('%s has no known extension', (name) => {
  expect(() => formatOf(name)).toThrow(
    /the extension is not one of \.tsv, \.csv, .*; give --format tsv\|csv\|jsonl\|parquet\|txt/,
  );
});
