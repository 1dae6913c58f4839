import { encodeSample, readSample } from '../../analyzer/sample';
import { readModelConfig } from '../../model/config';
import { fixture, TRAIN } from './run';

const config = readModelConfig(fixture('tiny-bert'));
const encoderOf = (ids: number[], typeIds = ids.map(() => 0)) => ({ encode: () => ({ ids, typeIds }) });

describe('encodeSample', () => {
  it('refuses a token without an embedding, with file and row', async () => {
    const sample = await readSample(TRAIN, 3, 0);
    const row = sample.dataset.rowNumbers![0];
    const encode = (ids: number[], typeIds?: number[]) => () =>
      encodeSample(sample, encoderOf(ids, typeIds), config, 32);
    expect(encode([2, 299, 3])()).toHaveLength(3);
    expect(encode([2, 300, 3])).toThrow(`row ${row} gives token id 300; the model's vocabulary ends at 299`);
    expect(encode([2, 3], [0, 2])).toThrow(`row ${row} gives segment 2; the model has 2 segments`);
    expect(encode([])).toThrow(`train.tsv: row ${row} gives no tokens`);
  });
});
