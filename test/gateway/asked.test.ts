import { create } from '@bufbuild/protobuf';
import { askedOf } from '../../gateway/asked';
import { TextDatasetSchema } from '../../proto/gen/hifi/v1/dataset_pb';

const rows = (init: Parameters<typeof create<typeof TextDatasetSchema>>[1]) => create(TextDatasetSchema, init);

test('files and models are called as the client called them', () => {
  const train = rows({ source: { case: 'path', value: 'sets/train.csv' }, textColumns: ['a', 'b'], labelColumn: 'c' });
  const dev = rows({ source: { case: 'artifact', value: 'ab'.repeat(32) }, name: 'dev.jsonl', task: 'cola' });
  expect(askedOf({ model: 'owner/name', train, dev })).toEqual({
    model: 'owner/name',
    rows: { path: 'sets/train.csv', textColumns: ['a', 'b'], labelColumn: 'c' },
    dev: { path: 'dev.jsonl', task: 'cola' },
  });
});

test("a server's own path is not told", () => {
  const train = rows({ source: { case: 'path', value: '/srv/data/train.tsv' }, textColumns: ['a'] });
  expect(askedOf({ model: '/srv/models/bert', train })).toEqual({
    model: 'bert',
    rows: { path: 'train.tsv', textColumns: ['a'] },
  });
});

test('rows of a request have the columns that they are given', () => {
  const inline = { texts: ['x'], secondTexts: ['y'], labels: ['1'] };
  const train = rows({ source: { case: 'inline', value: inline }, regression: true });
  expect(askedOf({ model: 'm', train }).rows).toEqual({
    path: 'ROWS.jsonl',
    textColumns: ['text', 'second_text'],
    labelColumn: 'label',
    problem: 'regression',
  });
  const ofTask = rows({ source: { case: 'inline', value: { texts: ['x'] } }, task: 'sst2' });
  expect(askedOf({ model: 'm', train: ofTask }).rows).toEqual({ path: 'ROWS.jsonl', task: 'sst2' });
});
