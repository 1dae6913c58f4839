import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { randomStream } from '../../data/random';
import { bert } from '../../model/architectures/bert';
import { readModelConfig } from '../../model/config';
import { writeSafetensors } from '../../model/safetensors';
import { fixture, GOLDEN_OPTIONS, run, TRAIN } from './run';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-pruned-'));
afterAll(() => fs.rmSync(folder, { recursive: true }));

/** The pruning leaves every tenth of each head's 64 value rows. */
const isLive = (row: number) => (row % 64) % 10 === 9;
const LIVE = 6;

/** Model with tiny-bert's tokenizer, and two layers of two heads of size 64. */
function prunedModel(): void {
  const settings = JSON.parse(fs.readFileSync(fixture('tiny-bert/config.json'), 'utf8'));
  const shape = { hidden_size: 128, num_attention_heads: 2, intermediate_size: 64, max_position_embeddings: 128 };
  fs.writeFileSync(path.join(folder, 'config.json'), JSON.stringify({ ...settings, ...shape }));
  for (const name of ['tokenizer.json', 'tokenizer_config.json'])
    fs.copyFileSync(fixture(`tiny-bert/${name}`), path.join(folder, name));
  const config = readModelConfig(folder);
  const values = Array.from({ length: config.layers }, (_, layer) => `encoder.layer.${layer}.attention.self.value`);
  const tensors = bert.tensors(config).map(({ name, shape }) => {
    const draws = randomStream(0, name);
    const numbers = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => 0.1 * draws.normal());
    if (name.endsWith('LayerNorm.weight')) numbers.fill(1);
    const width = numbers.length / shape[0];
    if (values.some((module) => name.startsWith(`${module}.`)))
      for (let row = 0; row < shape[0]; row++) if (!isLive(row)) numbers.fill(0, row * width, (row + 1) * width);
    return { name, dtype: 'F32', shape, bytes: () => new Uint8Array(numbers.buffer) };
  });
  writeSafetensors(path.join(folder, 'model.safetensors'), tensors);
}

// Householder rounding noise of such Gram matrices goes down to 1e-200, whose square is 0.
it('measures heads with pruned value rows: one singular value per live row', async () => {
  prunedModel();
  const options = { ...GOLDEN_OPTIONS, samples: 60, maxLength: 128 };
  const { result } = await run({ model: folder, data: TRAIN, options });
  const spectra = result.spectrum.flat();
  expect(spectra).toHaveLength(4);
  for (const spectrum of spectra) {
    expect(spectrum.slice(0, LIVE).every((share) => share > 1e-3)).toBe(true);
    expect(spectrum.slice(LIVE).every((share) => share < 1e-6)).toBe(true);
  }
  expect(Math.max(...result.richness.flat())).toBeLessThanOrEqual(LIVE);
});
