import { BASELINES, lora } from '../../compare/baselines';
import { countTuned, tuningOf } from '../../delta/tuning';
import type { Architecture, ModelConfig } from '../../model/architecture';
import { ARCHITECTURES } from '../../model/architectures';
import { bert } from '../../model/architectures/bert';
import { readModelConfig } from '../../model/config';
import { FIXTURES } from '../support/deltas';

const config = readModelConfig(`${FIXTURES}/tiny-bert`); // 2 layers, 5 heads of 9, d 45
const none = { heads: [], tune: 'qkv' as const };
const layer = (module: string) => [`encoder.layer.0.${module}`, `encoder.layer.1.${module}`];

// Against PEFT's own choice of modules: test/trainer/training-golden.test.ts.
test('LoRA adapts queries and values, or every linear layer but the task head’s', () => {
  expect(
    BASELINES.lora
      .further(config)
      .products?.map(({ module }) => module)
      .sort(),
  ).toEqual([...layer('attention.self.query'), ...layer('attention.self.value')].sort());
  const all = BASELINES['lora-all-linear'].further(config);
  expect(all.products).toHaveLength(2 * 6);
  expect(all.products?.[0]).toEqual({ module: 'encoder.layer.0.attention.self.query', rank: 8, scale: 2 });
  expect(lora(['m'], { rank: 3, alpha: 12 })).toEqual({ products: [{ module: 'm', rank: 3, scale: 4 }] });
});

test('BitFit tunes every bias but the keys’, which are inert, and the pooler’s, which is of the task head', () => {
  const { parts } = BASELINES.bitfit.further(config);
  expect(parts?.map(({ tensor }) => tensor)).toEqual([
    'embeddings.LayerNorm.bias',
    ...[0, 1].flatMap((at) =>
      ['self.query', 'self.value', 'output.dense', 'output.LayerNorm']
        .map((module) => `encoder.layer.${at}.attention.${module}.bias`)
        .concat(
          ['intermediate.dense', 'output.dense', 'output.LayerNorm'].map(
            (module) => `encoder.layer.${at}.${module}.bias`,
          ),
        ),
    ),
  ]);
  expect(countTuned(config, tuningOf(config, none, { parts }))).toBe(45 + 2 * (6 * 45 + config.intermediateSize));
});

test('where one tensor holds queries, keys and values, the inert middle of its bias is left out', () => {
  const fused = 'encoder.layer.0.qkv';
  const architecture: Architecture = {
    ...bert,
    modelType: 'fused-test',
    tensors: () => [
      { name: `${fused}.weight`, shape: [135, 45] },
      { name: `${fused}.bias`, shape: [135] },
    ],
    headSlices: (_, __, head) =>
      (['q', 'k', 'v'] as const).flatMap((role, i) =>
        (['weight', 'bias'] as const).map((part) => ({
          tensor: `${fused}.${part}`,
          axis: 'rows' as const,
          ranges: [[45 * i + 9 * head, 45 * i + 9 * head + 9] as const],
          role,
          inert: role === 'k' && part === 'bias',
        })),
      ),
  };
  ARCHITECTURES.set(architecture.modelType, architecture);
  const of: ModelConfig = { ...config, architecture: architecture.modelType, layers: 1 };
  expect(BASELINES.bitfit.further(of).parts).toEqual([
    {
      tensor: `${fused}.bias`,
      axis: 'rows',
      ranges: [
        [0, 45],
        [90, 135],
      ],
    },
  ]);
  expect(BASELINES.lora.further(of).products).toEqual([{ module: fused, rank: 8, scale: 2 }]);
  ARCHITECTURES.delete(architecture.modelType);
});
