import { BASELINES } from '../../compare/baselines';
import { factorsOf, tuningOf } from '../../delta/tuning';
import { openCheckpoint } from '../../model/checkpoint';
import { trainedValues } from '../../trainer/low-rank';
import { trainable } from '../../trainer/trainable';
import { FIXTURES } from '../support/deltas';

// Against PEFT: training-golden.test.ts, and merged: merged-golden.test.ts.
test('A and B begin as in PEFT, and their product is 0', async () => {
  const checkpoint = await openCheckpoint(`${FIXTURES}/tiny-bert`);
  const { config } = checkpoint;
  const tuning = tuningOf(config, { heads: [], tune: 'qkv' }, BASELINES['lora-all-linear'].further(config));
  const initial = (seed: number) => {
    const { layout, initial } = trainable(checkpoint, tuning, 2, seed);
    return layout.views(initial);
  };
  const [first, again, other] = [initial(0), initial(0), initial(1)];
  expect(first).toEqual(again);
  const uniform: number[] = [];
  for (const product of tuning.products!) {
    const { a, b } = factorsOf(config, product);
    const { shape, values } = first.get(a.name)!;
    const bound = 1 / Math.sqrt(shape[1]); // kaiming_uniform_(a = √5): √(6 / (1 + 5)) / √in
    expect(values.every((value) => Math.abs(value) <= bound)).toBe(true);
    uniform.push(...Array.from(values, (value) => value / bound));
    expect(values).not.toEqual(other.get(a.name)!.values);
    expect(first.get(b.name)!.values).toEqual(new Float32Array(b.shape[0] * b.shape[1]));
    const merged = trainedValues(checkpoint, tuning, first)(`${product.module}.weight`);
    expect(merged).toEqual(checkpoint.tensor(`${product.module}.weight`));
  }
  const n = uniform.length;
  const mean = uniform.reduce((sum, value) => sum + value, 0) / n;
  const square = uniform.reduce((sum, value) => sum + value ** 2, 0) / n;
  // A uniform number in ±1 has variance 1/3, its square 4/45.
  expect(Math.abs(mean)).toBeLessThan(4 * Math.sqrt(1 / 3 / n));
  expect(Math.abs(square - 1 / 3)).toBeLessThan(4 * Math.sqrt(4 / 45 / n));
  checkpoint.close();
});
