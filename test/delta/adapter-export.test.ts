import * as fs from 'node:fs';
import * as path from 'node:path';
import { ADAPTER_CARD, ADAPTER_CONFIG, ADAPTER_TENSORS, exportAdapter } from '../../delta/adapter-export';
import { applyDelta, type Delta } from '../../delta/delta';
import { besideHeads } from '../../delta/slices';
import type { Tune } from '../../heads/tune';
import { type Checkpoint, openCheckpoint } from '../../model/checkpoint';
import { SafetensorsFile } from '../../model/safetensors';
import { casedModel, type DeltaShape, FIXTURES, randomDelta, temporaryFolder } from '../support/deltas';

/** Output of `make_adapter_golden.py`. */
interface Golden {
  heads: number[][];
  neurons?: number[][];
  tune: Tune;
  outputs: number;
  rank: number;
  linear: string[];
  adapted: string[];
  tensors: Record<string, number[]>;
  config: Record<string, unknown>;
}
const golden: Record<string, Golden> = JSON.parse(fs.readFileSync(path.join(FIXTURES, 'adapter.golden.json'), 'utf8'));

const temporary = temporaryFolder('adapter');
afterAll(() => fs.rmSync(temporary, { recursive: true }));

interface Adapter {
  config: Record<string, unknown>;
  tensors: SafetensorsFile;
  card: string;
}

async function adapted(
  model: string,
  shape: DeltaShape,
  see: (of: { checkpoint: Checkpoint; delta: Delta } & Adapter) => void,
) {
  const checkpoint = await openCheckpoint(path.resolve(FIXTURES, model));
  const out = fs.mkdtempSync(path.join(temporary, 'adapter-'));
  const delta = randomDelta(checkpoint, shape);
  await exportAdapter({ checkpoint, delta, out });
  const tensors = SafetensorsFile.open(path.join(out, ADAPTER_TENSORS));
  const read = (name: string) => fs.readFileSync(path.join(out, name), 'utf8');
  expect(fs.readdirSync(out).sort()).toEqual([ADAPTER_CARD, ADAPTER_CONFIG, ADAPTER_TENSORS].sort());
  see({ checkpoint, delta, config: JSON.parse(read(ADAPTER_CONFIG)), tensors, card: read(ADAPTER_CARD) });
  tensors.close();
  checkpoint.close();
}

const labelsFor = (outputs: number) =>
  outputs === 1 ? undefined : Array.from({ length: outputs }, (_, i) => `class ${i}`);

describe.each(Object.entries(golden))('the adapter of %s', (model, { heads, neurons, tune, outputs, ...expected }) => {
  const shape = { heads, neurons, tune, labels: labelsFor(outputs) };

  it('has the same tensors and settings as PEFT saves', () =>
    adapted(model, shape, ({ config, tensors }) => {
      expect(Object.fromEntries([...tensors.tensors].map(([name, { shape }]) => [name, shape]))).toEqual(
        expected.tensors,
      );
      for (const { dtype } of tensors.tensors.values()) expect(dtype).toBe('F32');
      const { target_modules, base_model_name_or_path, ...settings } = config;
      expect(base_model_name_or_path).toBe(model);
      expect(expected.config).toMatchObject(settings);
      const pattern = new RegExp(`^(?:${target_modules})$`);
      expect(expected.linear.filter((name) => pattern.test(name))).toEqual(expected.adapted);
    }));

  it('changes only the tuned rows and columns, by the exact difference', () =>
    adapted(model, shape, ({ checkpoint, delta, tensors }) => {
      const merged = applyDelta(checkpoint, delta);
      for (const name of expected.adapted) {
        const canonical = name.replace(/^[a-z]+\./, '');
        const key = `base_model.model.${name}`;
        const [rank, into] = expected.tensors[`${key}.lora_A.weight`];
        const out = expected.tensors[`${key}.lora_B.weight`][0];
        const product = multiply(tensors.float32(`${key}.lora_B.weight`), tensors.float32(`${key}.lora_A.weight`), [
          out,
          rank,
          into,
        ]);
        const before = checkpoint.tensor(`${canonical}.weight`);
        expect(product).toEqual(merged.get(`${canonical}.weight`)!().map((value, i) => value - before[i]));
        if (!checkpoint.has(`${canonical}.bias`)) continue;
        const bias = merged.get(`${canonical}.bias`)?.() ?? checkpoint.tensor(`${canonical}.bias`);
        expect(tensors.float32(`${key}.base_layer.bias`)).toEqual(bias);
      }
      const head = Object.keys(expected.tensors).filter((name) => !/lora_|base_layer/.test(name));
      for (const name of head) {
        const canonical = merged.get(name.replace('base_model.model.', '').replace(/^[a-z]+\.pooler/, 'pooler'));
        expect(tensors.float32(name)).toEqual(canonical!());
      }
    }));
});

/** B·A, [out, rank]·[rank, into], exact in float32: one summand of each sum is not zero. */
function multiply(b: Float32Array, a: Float32Array, [out, rank, into]: number[]): Float32Array {
  const product = new Float32Array(out * into);
  for (let o = 0; o < out; o++) {
    for (let r = 0; r < rank; r++) {
      for (let i = 0; i < into; i++) product[o * into + i] += b[o * rank + r] * a[r * into + i];
    }
  }
  return product;
}

it('says on its card how to load it, with its labels', async () => {
  await adapted('tiny-bert', { heads: [[0], []], labels: ['no', 'a "yes"\n'] }, ({ card, delta }) => {
    expect(card).toContain('num_labels=2, id2label={0: "no", 1: "a \\"yes\\"\\n"}');
    expect(card).toContain(delta.info.base.sha256);
  });
  await adapted('tiny-bert', { heads: [[0], []] }, ({ card }) => {
    expect(card).toContain('num_labels=1, problem_type="regression"');
    expect(card).toMatch(/\n1 head in 1 layer of .*\nand the task head, which answers with a number, were tuned\.\n/);
  });
});

it('names a base of the Hub, and no folder as if it were one', async () => {
  await adapted('tiny-bert', { heads: [[0], []] }, ({ card }) => {
    expect(card).toContain('base = "path/to/the/base"  # its folder\n');
    expect(card).not.toContain('base_model:');
  });
  const folder = path.join(temporary, 'models--owner--tiny/snapshots', 'a'.repeat(40));
  fs.cpSync(path.join(FIXTURES, 'tiny-bert'), folder, { recursive: true });
  await adapted(folder, { heads: [[0], []] }, ({ card, config }) => {
    expect(card).toContain('base_model: "owner/tiny"\n');
    expect(card).toContain('base = "owner/tiny"  # its name on the Hub, or its folder\n');
    expect(config.base_model_name_or_path).toBe('owner/tiny');
  });
});

it('names the padding token of a base whose config.json does not', async () => {
  await adapted('tiny-llama', { heads: [[0], []], labels: ['0', '1'] }, ({ card }) => {
    expect(card).toContain('num_labels=2, id2label={0: "0", 1: "1"}, pad_token_id=2\n');
  });
  await adapted('tiny-bert', { heads: [[0], []] }, ({ card }) => expect(card).not.toContain('pad_token'));
});

it('names a padding token other than the one with which the base ends texts, also for its tokenizer', async () => {
  await adapted('tiny-qwen3', { heads: [[0], [], []], labels: ['0', '1'] }, ({ card }) => {
    expect(card).toContain('pad_token_id=1\n');
    expect(card).toContain('AutoTokenizer.from_pretrained(base)\ntokenizer.pad_token = "<pad>"\n');
  });
});

it('passes the settings that only tokenizer.json has to the tokenizer', async () => {
  await adapted(casedModel(path.join(temporary, 'cased')), { heads: [[0], []] }, ({ card }) =>
    expect(card).toContain('AutoTokenizer.from_pretrained(base, do_lower_case=False, strip_accents=True)\n'),
  );
  await adapted('tiny-bert', { heads: [[0], []] }, ({ card }) =>
    expect(card).toContain('AutoTokenizer.from_pretrained(base)\n'),
  );
});

it('changes nothing if only the task head was tuned, in a layout that PEFT loads', () =>
  adapted('tiny-bert', { heads: [[], []], labels: ['0', '1'] }, ({ config, tensors }) => {
    expect(config).toMatchObject({ r: 1, target_modules: 'bert\\.encoder\\.layer\\.0\\.attention\\.self\\.query' });
    const at = 'base_model.model.bert.encoder.layer.0.attention.self.query';
    expect(tensors.float32(`${at}.lora_A.weight`)).toEqual(new Float32Array(45));
    expect(tensors.float32(`${at}.lora_B.weight`)).toEqual(new Float32Array(45));
  }));

it('refuses a folder that is not empty, a delta of another base, and one that tunes more than heads', async () => {
  const checkpoint = await openCheckpoint(path.join(FIXTURES, 'tiny-bert'));
  const delta = randomDelta(checkpoint, { heads: [[0], []] });
  const occupied = fs.mkdtempSync(path.join(temporary, 'occupied-'));
  fs.writeFileSync(path.join(occupied, 'mine'), '');
  await expect(exportAdapter({ checkpoint, delta, out: occupied })).rejects.toMatchObject({ code: 'INVALID_INPUT' });
  const other = { ...delta, info: { ...delta.info, base: { ...delta.info.base, sha256: '0'.repeat(64) } } };
  const out = path.join(temporary, 'never');
  await expect(exportAdapter({ checkpoint, delta: other, out })).rejects.toMatchObject({ code: 'INVALID_INPUT' });
  const parts = besideHeads(checkpoint.config);
  const full = randomDelta(checkpoint, { heads: [[0], []], parts });
  await expect(exportAdapter({ checkpoint, delta: full, out })).rejects.toThrow(
    'a delta that tunes more than heads or neurons has no adapter; export a checkpoint',
  );
  expect(fs.existsSync(out)).toBe(false);
  checkpoint.close();
});
