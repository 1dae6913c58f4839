import { HifiError } from '../../foundation/errors';
import { checkedHeads, checkedMask, type Mask } from '../../heads/mask';

const model = { name: 'sample', sha256: 'ab'.repeat(32), layers: 2, heads: 4 };

const maskWith = (change: Partial<Mask>): Mask => ({
  schemaVersion: 1,
  model: { name: model.name, sha256: model.sha256 },
  strategy: 'hifi',
  k: 2,
  tune: 'qkv',
  heads: [],
  trainableParameters: 0,
  totalParameters: 100,
  share: 0,
  ...change,
});

const head = (layer: number, index: number, score = 0.5) => ({ layer, head: index, score });

it('sorts the heads and changes nothing else', () => {
  const heads = [head(1, 0), head(0, 3), head(0, 1)];
  const mask = maskWith({ heads });
  expect(checkedMask(mask, model)).toEqual({ ...mask, heads: [heads[2], heads[1], heads[0]] });
  expect(mask.heads).toBe(heads);
});

it.each<[Partial<Mask>, string, string]>([
  [
    { model: { name: 'other', sha256: 'cd'.repeat(32) } },
    'm.model.sha256',
    "m.model.sha256 is cdcdcdcdcdcd… (other); it must be abababababab… (sample): make the mask from this model's heads.json",
  ],
  [{ k: 5 }, 'm.k', 'm.k is 5; it must be 0 to 4: a layer of the model has 4 heads'],
  [{ k: undefined }, 'm.budget', 'm: there is neither k nor budget; give one of them'],
  [{ budget: 0.1 }, 'm.budget', 'm: k is 2 and budget is 0.1; give one of them'],
  [{ k: undefined, budget: 2 }, 'm.budget', 'm.budget is 2; it must be above 0, at most 1'],
  [{ heads: [head(2, 0)] }, 'm.heads[0].layer', 'm.heads[0].layer is 2; it must be 0 to 1: the model has 2 layers'],
  [
    { heads: [head(0, 0), head(0, -1)] },
    'm.heads[1].head',
    'm.heads[1].head is -1; it must be 0 to 3: a layer of the model has 4 heads',
  ],
  [{ heads: [head(0, 0, Number.NaN)] }, 'm.heads[0].score', 'm.heads[0].score is NaN; it must be a finite number'],
  [
    { heads: [head(0, 1), head(1, 1), head(0, 1)] },
    'm.heads[2]',
    'm.heads[2] is layer 0, head 1, which m.heads[0] was already; each must come once',
  ],
])('refuses %j', (change, field, message) => {
  const check = () => checkedMask(maskWith(change), model, 'm');
  expect(check).toThrow(HifiError);
  expect(check).toThrow(expect.objectContaining({ code: 'INVALID_INPUT', field, message }));
});

it('without a model leaves open what depends on one', () => {
  const heads = [head(7, 30), head(0, 99)];
  expect(checkedMask(maskWith({ k: 50, heads }), undefined, '').heads).toEqual([heads[1], heads[0]]);
  expect(() => checkedHeads([head(7, 30), head(7, 30)], undefined, 'heads')).toThrow('heads[1] is layer 7, head 30');
});

test('a mask of neurons has neurons of the model, each once, and no heads', () => {
  const neuron = (layer: number, index: number) => ({ layer, index, score: 1 });
  const { heads: _, ...rest } = maskWith({});
  const mask = { ...rest, tune: 'neurons' as const, heads: [], k: 2 };
  const sized = { ...model, neurons: { perLayer: 9 } };
  const check = (neurons: ReturnType<typeof neuron>[]) => () => checkedMask({ ...mask, neurons }, sized, 'm');
  expect(check([neuron(1, 8), neuron(0, 3), neuron(0, 1)])().neurons).toEqual([
    neuron(0, 1),
    neuron(0, 3),
    neuron(1, 8),
  ]);
  expect(check([neuron(0, 9)])).toThrow('m.neurons[0].index is 9; it must be 0 to 8: a layer of the model has 9');
  expect(check([neuron(0, 1), neuron(0, 1)])).toThrow('m.neurons[1] is layer 0, index 1, which m.neurons[0] was');
  expect(() => checkedMask({ ...mask, heads: [{ layer: 0, head: 0, score: 1 }] }, sized, 'm')).toThrow(
    'm.tune is neurons, so m.heads must be empty',
  );
  expect(() => checkedMask(maskWith({ neurons: [neuron(0, 0)] }), sized, 'm')).toThrow('so m.neurons must be empty');
});
