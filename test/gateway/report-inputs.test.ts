import { create } from '@bufbuild/protobuf';
import { reportInputs } from '../../gateway/report-inputs';
import { TextDatasetSchema } from '../../proto/gen/hifi/v1/dataset_pb';

const rows = (init: Parameters<typeof create<typeof TextDatasetSchema>>[1]) => create(TextDatasetSchema, init);

test("files and models have the client's names", () => {
  const train = rows({ source: { case: 'path', value: 'sets/train.csv' }, textColumns: ['a', 'b'], labelColumn: 'c' });
  const dev = rows({ source: { case: 'artifact', value: 'ab'.repeat(32) }, name: 'dev.jsonl', task: 'cola' });
  expect(reportInputs({ model: 'owner/name', train, dev })).toEqual({
    model: 'owner/name',
    rows: { path: 'sets/train.csv', textColumns: ['a', 'b'], labelColumn: 'c' },
    dev: { path: 'dev.jsonl', task: 'cola' },
  });
});

test('a path of the server is shortened to its last part', () => {
  const train = rows({ source: { case: 'path', value: '/srv/data/train.tsv' }, textColumns: ['a'] });
  expect(reportInputs({ model: '/srv/models/bert', train })).toEqual({
    model: 'bert',
    rows: { path: 'train.tsv', textColumns: ['a'] },
  });
});

test('inline rows have the columns of the request', () => {
  const inline = { texts: ['x'], secondTexts: ['y'], labels: ['1'] };
  const train = rows({ source: { case: 'inline', value: inline }, regression: true });
  expect(reportInputs({ model: 'm', train }).rows).toEqual({
    path: 'ROWS.jsonl',
    textColumns: ['text', 'second_text'],
    labelColumn: 'label',
    problem: 'regression',
  });
  const ofTask = rows({ source: { case: 'inline', value: { texts: ['x'] } }, task: 'sst2' });
  expect(reportInputs({ model: 'm', train: ofTask }).rows).toEqual({ path: 'ROWS.jsonl', task: 'sst2' });
});
