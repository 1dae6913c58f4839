import * as fs from 'node:fs';
import * as path from 'node:path';
import { writeDelta } from '../../delta/delta';
import { writeOnnxFiles } from '../../delta/onnx-files';
import { isOnnxFolder } from '../../delta/onnx-folder';
import { resultOf } from '../../foundation/follow';
import { Classifier } from '../../inference/classifier';
import { openCheckpoint } from '../../model/checkpoint';
import { FIXTURES, randomDelta, shardModel, temporaryFolder, torchModel } from '../support/deltas';

const temporary = temporaryFolder('onnx-folder');
afterAll(() => fs.rmSync(temporary, { recursive: true }));

/** Snapshots of a repository that has a base's weights in each form, and an `onnx/` folder. */
describe.each<[form: string, base: string, copy: (from: string, to: string) => string]>([
  [
    'model.safetensors',
    'tiny-bert',
    (from, to) => {
      fs.cpSync(path.join(FIXTURES, from), to, { recursive: true });
      return to;
    },
  ],
  ['shards of safetensors', 'tiny-bert', (from, to) => shardModel(path.join(FIXTURES, from), to, 2)],
  ['pytorch_model.bin', 'one-head-bert', torchModel],
  ['shards of pytorch_model.bin', 'sharded-bert', torchModel],
])('a folder with %s and onnx/', (form, base, copy) => {
  it('is a base: it answers with a delta', async () => {
    const folder = path.join(temporary, form.replaceAll(' ', '-'));
    const [model, onnx, delta] = ['model', 'onnx', 'delta'].map((name) => path.join(folder, name));
    fs.mkdirSync(folder);
    copy(base, model);
    const checkpoint = await openCheckpoint(model);
    const heads = Array.from({ length: checkpoint.config.layers }, () => [0]);
    const drawn = randomDelta(checkpoint, { heads, labels: ['no', 'yes'], scale: 0.3 });
    writeDelta(delta, drawn);
    fs.mkdirSync(onnx);
    writeOnnxFiles({ checkpoint, delta: drawn, dtypes: ['fp32'], folder: onnx });
    checkpoint.close();

    const ask = async () => {
      const texts = ['the sea', 'a cat'];
      const classifier = new Classifier(1, { models: 2 ** 30, deltas: 2 ** 30 });
      const [outcome] = await resultOf(classifier.classify([{ model, deltas: [delta], texts }]));
      return outcome;
    };
    const alone = await ask();
    expect(alone).toHaveProperty('answers');
    fs.cpSync(path.join(onnx, 'onnx'), path.join(model, 'onnx'), { recursive: true });
    expect([isOnnxFolder(model), isOnnxFolder(onnx)]).toEqual([false, true]);
    expect(await ask()).toEqual(alone);
  });
});
