import * as fs from 'node:fs';
import * as path from 'node:path';
import { randomStream } from '../data/random';
import { architectureOf } from '../model/architectures';
import { readModelConfig } from '../model/config';
import { writeSafetensors } from '../model/safetensors-writer';

/** Size of a model. */
export interface Size {
  layers: number;
  hiddenSize: number;
}

/** Content of config.json for each kind of model. Vocabularies have 2,000 tokens. */
const CONFIGS = {
  /** Heads have 64 dimensions if d allows four. */
  bert: (hiddenSize: number) => ({
    num_attention_heads: Math.max(4, hiddenSize / 64),
    intermediate_size: 4 * hiddenSize,
    max_position_embeddings: 512,
    type_vocab_size: 2,
  }),
  /** Every third layer is global; the others see 64 tokens on each side. */
  modernbert: (hiddenSize: number) => ({
    num_attention_heads: hiddenSize / 64,
    intermediate_size: 1.5 * hiddenSize,
    max_position_embeddings: 8192,
    ...{ global_attn_every_n_layers: 3, local_attention: 128, global_rope_theta: 160_000, local_rope_theta: 10_000 },
    ...{ pad_token_id: 0, cls_token_id: 1, sep_token_id: 2 },
  }),
  /** Proportions of Qwen3-0.6B. */
  qwen3: (hiddenSize: number) => ({
    num_attention_heads: hiddenSize / 64,
    num_key_value_heads: hiddenSize / 128,
    head_dim: 128,
    intermediate_size: 3 * hiddenSize,
    max_position_embeddings: 4096,
    ...{ rms_norm_eps: 1e-6, rope_theta: 1e6, hidden_act: 'silu', tie_word_embeddings: true, pad_token_id: 0 },
  }),
};

/** Writes a model with random weights. It has no tokenizer. @returns its folder */
export function writeRandomModel(root: string, kind: keyof typeof CONFIGS, { layers, hiddenSize }: Size): string {
  const folder = path.join(root, `${kind}-${layers}x${hiddenSize}`);
  fs.mkdirSync(folder, { recursive: true });
  const sizes = { vocab_size: 2000, hidden_size: hiddenSize, num_hidden_layers: layers };
  const config = { model_type: kind, ...sizes, ...CONFIGS[kind](hiddenSize) };
  fs.writeFileSync(path.join(folder, 'config.json'), JSON.stringify(config));
  const read = readModelConfig(folder);
  const random = randomStream(0, 'weights');
  const tensors = architectureOf(read)
    .tensors(read)
    .map(({ name, shape }) => ({
      name,
      shape,
      dtype: 'F32',
      bytes: () => {
        const size = shape.reduce((product, n) => product * n, 1);
        const norm = /norm\w*\.weight$/i.test(name) ? 1 : 0;
        return new Uint8Array(Float32Array.from({ length: size }, () => norm + (random.uniform() - 0.5) / 15).buffer);
      },
    }));
  writeSafetensors(path.join(folder, 'model.safetensors'), tensors);
  return folder;
}
