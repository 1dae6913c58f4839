import type { PaddedBatch } from '../data/batches';
import type { Checkpoint } from '../model/checkpoint';
import { FAMILIES, type Family } from '../model/families';

/** The embedding tables, on this side: a batch needs a few of their rows, TensorFlow none of the rest. */
export class Embeddings {
  private readonly words: Float32Array; // [V, d]
  private readonly positions: Float32Array; // [P, d]
  private readonly types: Float32Array | undefined; // [T, d]
  private readonly scale: Float32Array; // [d]
  private readonly offset: Float32Array; // [d]

  constructor(private readonly checkpoint: Checkpoint) {
    const { modules }: Family = FAMILIES[checkpoint.config.family];
    const weight = (module: string) => checkpoint.tensor(`${module}.weight`);
    this.words = weight(modules.wordEmbeddings);
    this.positions = weight(modules.positionEmbeddings);
    this.types = modules.tokenTypeEmbeddings ? weight(modules.tokenTypeEmbeddings) : undefined;
    this.scale = weight(modules.embeddingsNorm);
    this.offset = checkpoint.tensor(`${modules.embeddingsNorm}.bias`);
  }

  /**
   * Word, position and segment embedding of every token, added and normalised, as in evaluation. A token's numbers depend on
   * nothing but itself, its position and segment. Ids must be of the model: `encodeRows` sees to that.
   *
   * @returns [B·S, d], row by row
   */
  embed({ ids, typeIds, B, S }: PaddedBatch): Float32Array {
    const { hiddenSize: d, layerNormEps } = this.checkpoint.config;
    const { words, positions, types, scale, offset } = this;
    const rows = new Float32Array(B * S * d);
    for (let token = 0; token < B * S; token++) {
      const to = token * d;
      const word = ids[token] * d;
      const position = (token % S) * d;
      const type = typeIds[token] * d;
      let sum = 0;
      for (let i = 0; i < d; i++) {
        const value = words[word + i] + positions[position + i] + (types ? types[type + i] : 0);
        rows[to + i] = value;
        sum += value;
      }
      const mean = sum / d;
      let squares = 0;
      for (let i = 0; i < d; i++) squares += (rows[to + i] - mean) ** 2;
      const inverseDeviation = 1 / Math.sqrt(squares / d + layerNormEps);
      for (let i = 0; i < d; i++) rows[to + i] = (rows[to + i] - mean) * inverseDeviation * scale[i] + offset[i];
    }
    return rows;
  }
}
