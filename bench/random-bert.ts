import * as fs from 'node:fs';
import * as path from 'node:path';
import { randomStream } from '../data/random';
import { architectureOf } from '../model/architectures';
import { readModelConfig } from '../model/config';
import { writeSafetensors } from '../model/safetensors-writer';

/** Size of a BERT with a vocabulary of 2,000; its heads have 64 dimensions if d allows four. */
export interface BertSize {
  layers: number;
  hiddenSize: number;
}

/** Writes a BERT with random weights. It has no tokenizer. @returns its folder */
export function writeRandomBert(root: string, { layers, hiddenSize }: BertSize): string {
  const folder = path.join(root, `bert-${layers}x${hiddenSize}`);
  fs.mkdirSync(folder, { recursive: true });
  const config = {
    model_type: 'bert',
    vocab_size: 2000,
    hidden_size: hiddenSize,
    num_hidden_layers: layers,
    num_attention_heads: Math.max(4, hiddenSize / 64),
    intermediate_size: 4 * hiddenSize,
    max_position_embeddings: 512,
    type_vocab_size: 2,
  };
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
        const norm = /LayerNorm\.weight$/.test(name) ? 1 : 0;
        return new Uint8Array(Float32Array.from({ length: size }, () => norm + (random.uniform() - 0.5) / 15).buffer);
      },
    }));
  writeSafetensors(path.join(folder, 'model.safetensors'), tensors);
  return folder;
}
