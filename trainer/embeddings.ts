import type { PaddedBatch } from '../data/batches';
import { invalidInput } from '../errors';
import type { Checkpoint } from '../model/checkpoint';
import { FAMILIES, type Family } from '../model/families';

/** The embedding tables, on this side: a batch needs a few of their rows, TensorFlow none of the rest. */
export class Embeddings {
  private readonly words: Float32Array; // [V, d]
  private readonly positions: Float32Array; // [P, d]
  private readonly types: Float32Array | undefined; // [T, d]

  constructor(private readonly checkpoint: Checkpoint) {
    const { modules }: Family = FAMILIES[checkpoint.config.family];
    const table = (module: string) => checkpoint.tensor(`${module}.weight`);
    this.words = table(modules.wordEmbeddings);
    this.positions = table(modules.positionEmbeddings);
    this.types = modules.tokenTypeEmbeddings ? table(modules.tokenTypeEmbeddings) : undefined;
  }

  /**
   * The sum of word, position and segment embedding of every token, before its layer norm.
   *
   * @returns [B·S, d], row by row
   * @throws INVALID_INPUT for a token that the model has no embedding of
   */
  sum({ ids, typeIds, B, S }: PaddedBatch): Float32Array {
    const { hiddenSize: d, vocabSize } = this.checkpoint.config;
    const sums = new Float32Array(B * S * d);
    for (let token = 0; token < B * S; token++) {
      const id = ids[token];
      if (id >= vocabSize) {
        throw invalidInput(
          `${this.checkpoint.folder}: the tokenizer gives id ${id}, config.json's vocab_size is ${vocabSize}`,
        );
      }
      const word = id * d;
      const position = (token % S) * d;
      const type = typeIds[token] * d;
      const to = token * d;
      for (let i = 0; i < d; i++) {
        sums[to + i] = this.words[word + i] + this.positions[position + i] + (this.types ? this.types[type + i] : 0);
      }
    }
    return sums;
  }
}
