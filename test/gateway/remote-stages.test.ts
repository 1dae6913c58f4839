import { create } from '@bufbuild/protobuf';
import { TRAIN_DEFAULTS } from '../../delta/training-options';
import { invalidValue } from '../../foundation/errors';
import { follow } from '../../foundation/follow';
import type { RecordPlace } from '../../gateway/record-results';
import { remoteStages, type Workers } from '../../gateway/remote-stages';
import { ANALYSIS_DEFAULTS } from '../../heads/analysis-options';
import type { Mask } from '../../heads/mask';
import { SELECTION_DEFAULTS } from '../../heads/select';
import { TextDatasetSchema } from '../../proto/gen/hifi/v1/dataset_pb';
import { rpcErrorOf } from '../../proto/status';

/** Stages of a job whose services refuse a field of every call. */
function refusing(field: string) {
  // biome-ignore lint/correctness/useYield: it fails before any message
  const stream = async function* () {
    throw rpcErrorOf(invalidValue({ field, value: 'x', expected: 'right' }));
  };
  const service = { stream, size: 1 };
  const workers = { analyzer: service, trainer: service } as unknown as Workers;
  return remoteStages({ job: 'job', number: 1 }, workers, {} as RecordPlace);
}

const spec = {
  model: 'm',
  train: create(TextDatasetSchema, { source: { case: 'path', value: 'rows.tsv' }, textColumns: ['text'] }),
  analysis: ANALYSIS_DEFAULTS,
  selection: SELECTION_DEFAULTS,
  training: TRAIN_DEFAULTS,
  exports: [],
  onnxDtypes: [],
};
const mask: Mask = { version: 1, model: { name: 'm', sha256: 'a' }, heads: [] } as unknown as Mask;
const { signal } = new AbortController();

test.each([
  ['options.label_weights', 'spec.training.label_weights'],
  ['train.label_column', 'spec.train.label_column'],
  ['model', 'spec.model'],
  ['run_id', 'run_id'],
])('a training that is refused for %s names the part of the spec', async (field, part) => {
  const trained = follow(refusing(field).train(spec, mask, signal), () => {});
  await expect(trained).rejects.toMatchObject({ details: { violations: [{ field: part }] } });
});

test('so do an analysis and a scoring', async () => {
  const analysed = follow(refusing('dataset.path').analyze(spec, signal), () => {});
  await expect(analysed).rejects.toMatchObject({ details: { violations: [{ field: 'spec.train.path' }] } });
  const scored = follow(refusing('options.max_length').score(spec, { samples: 1 } as never, signal), () => {});
  await expect(scored).rejects.toMatchObject({ details: { violations: [{ field: 'spec.analysis.max_length' }] } });
});
