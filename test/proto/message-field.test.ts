import { create } from '@bufbuild/protobuf';
import { type HifiError, invalidPart, invalidValue } from '../../foundation/errors';
import { TextDatasetSchema } from '../../proto/gen/hifi/v1/dataset_pb';
import { ofMessage } from '../../proto/message-field';

const weight = () => invalidValue({ field: 'options.classWeights', value: '"zz"', expected: 'a label' }, 'the option');
const pairs = () => invalidPart('data.textColumns', 'rows: the model needs pairs; give two text columns');
const dataset = (source: 'path' | 'inline') =>
  create(TextDatasetSchema, {
    source: source === 'path' ? { case: 'path', value: 'a.tsv' } : { case: 'inline', value: { texts: ['a'] } },
  });

test.each<[thrown: HifiError, named: Parameters<typeof ofMessage>[1], field: string, message: string]>([
  [weight(), {}, 'options.class_weights', 'options.class_weights is "zz"; it must be a label'],
  [
    weight(),
    { options: { labelWeights: { zz: 1 } } },
    'options.label_weights',
    'options.label_weights is "zz"; it must be a label',
  ],
  [pairs(), { dataset: dataset('path') }, 'dataset.text_columns', pairs().message],
  [
    pairs(),
    { dataset: dataset('inline') },
    'dataset.inline.second_texts',
    'dataset.inline.second_texts is empty; the model compares two texts',
  ],
])('%s is named as in the message, %#', (thrown, named, field, message) => {
  expect(ofMessage(thrown, named)).toMatchObject({ code: 'INVALID_INPUT', field, message });
});

test('other errors stay as they are', () => {
  const error = new TypeError('a bug');
  expect(ofMessage(error)).toBe(error);
});
