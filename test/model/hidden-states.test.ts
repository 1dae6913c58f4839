import * as fs from 'node:fs';
import * as path from 'node:path';
import * as ort from 'onnxruntime-node';
import { padBatch } from '../../data/batches';
import { openCheckpoint } from '../../model/checkpoint';
import { hiddenStatesModel } from '../../model/graph';
import { positionIds } from '../../model/positions';

const fixture = (name: string) => path.join(__dirname, '../fixtures', name);
const goldenFiles = fs.readdirSync(fixture('families'));

/** Golden file of oracle.py: each model's shortest row and one at its token limit, in float64. */
interface Golden {
  model: string;
  maxLength: number;
  analyses: {
    train: {
      rows: { ids: number[]; typeIds: number[] }[];
      hidden: { row: number; states: number[][][] }[];
    };
  };
}

it.each(goldenFiles)("gives transformers' hidden states of a padded batch: %s", async (file) => {
  const { model, maxLength, analyses } = JSON.parse(fs.readFileSync(fixture(`families/${file}`), 'utf8')) as Golden;
  const { rows, hidden } = analyses.train;
  const batch = padBatch(
    hidden.map(({ row }) => rows[row]),
    1, // whatever stands in the padding: nothing reads it
  );
  expect([Math.min(...batch.lengths) <= 4, batch.S]).toEqual([true, maxLength]);

  const checkpoint = await openCheckpoint(fixture(model));
  const { config } = checkpoint;
  expect(config.maxPositions).toBe(maxLength);
  const session = await ort.InferenceSession.create(hiddenStatesModel(checkpoint), { intraOpNumThreads: 1 });
  checkpoint.close();
  const matrix = (values: Int32Array) =>
    new ort.Tensor('int64', BigInt64Array.from(values, BigInt), [batch.B, batch.S]);
  const inputs: Record<string, Int32Array> = {
    input_ids: batch.ids,
    position_ids: positionIds(config, batch.ids, batch.S),
    attention_mask: batch.mask,
    token_type_ids: batch.typeIds,
  };
  const feeds = session.inputNames.map((name) => [name, matrix(inputs[name])] as const);
  const outputs = await session.run(Object.fromEntries(feeds));
  await session.release();

  const d = config.hiddenSize;
  for (const [b, { states }] of hidden.entries()) {
    expect(states).toHaveLength(config.layers + 1);
    for (const [layer, wanted] of states.entries()) {
      const found = outputs[`hidden_${layer}`].data as Float32Array;
      const from = b * batch.S * d;
      const flat = wanted.flat();
      expect(flat).toHaveLength(batch.lengths[b] * d);
      let worst = 0;
      for (const [i, value] of flat.entries()) worst = Math.max(worst, Math.abs(found[from + i] - value));
      expect(worst).toBeLessThanOrEqual(1e-4);
    }
  }
});

describe('positions', () => {
  const positions = (architecture: 'bert' | 'roberta', padTokenId: number, ids: number[], S: number) =>
    Array.from(
      positionIds(
        { architecture, padTokenId, firstPosition: architecture === 'bert' ? 0 : padTokenId + 1 },
        Int32Array.from(ids),
        S,
      ),
    );

  it('of BERT count from 0, padding or not', () => {
    expect(positions('bert', 0, [7, 0, 8, 7, 8, 0], 3)).toEqual([0, 1, 2, 0, 1, 2]);
  });

  it("of RoBERTa count what is not padding, from the padding token's number on", () => {
    // transformers' create_position_ids_from_input_ids: cumsum(mask)·mask + padding_idx.
    expect(positions('roberta', 1, [0, 5, 1, 6, 2, 0, 2, 1, 1, 1], 5)).toEqual([2, 3, 1, 4, 5, 2, 3, 1, 1, 1]);
    expect(positions('roberta', 3, [5, 3], 2)).toEqual([4, 3]);
  });
});
