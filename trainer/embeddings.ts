import type { PaddedBatch } from '../data/batches';
import type { Checkpoint } from '../model/checkpoint';
import { type BaseModules, FAMILIES, type Family, type FamilyName } from '../model/families';
import { positionIds } from '../model/positions';
import type { Ops, Tensor } from './ops';

/**
 * The embedding tables, on this side: a batch needs a few of their rows, TensorFlow none of the rest. Of the words none is read
 * before a text holds it: they may be a quarter of a million. E is the tables' width.
 */
export class Embeddings {
  private readonly words = new Map<number, Float32Array>(); // [E] each
  private readonly positions: Float32Array; // [P, E]
  private readonly types: Float32Array | undefined; // [T, E]
  private readonly scale: Float32Array; // [E]
  private readonly offset: Float32Array; // [E]

  constructor(private readonly checkpoint: Checkpoint) {
    const { config } = checkpoint;
    const { modules }: Family = FAMILIES[config.architecture as FamilyName];
    const weight = (module: string) => checkpoint.tensor(`${module}.weight`);
    const bias = (module: string) => checkpoint.tensor(`${module}.bias`);
    this.positions = weight(modules.positionEmbeddings);
    this.types = modules.tokenTypeEmbeddings ? weight(modules.tokenTypeEmbeddings) : undefined;
    this.scale = weight(modules.embeddingsNorm);
    this.offset = bias(modules.embeddingsNorm);
  }

  /**
   * Word, position and segment embedding of every token, added and normalised, as in evaluation. A token's numbers depend on
   * nothing but itself, its position and segment. Ids must be of the model: `encodeRows` sees to that.
   *
   * @returns [B·S, E], row by row
   */
  embed({ ids, typeIds, B, S }: PaddedBatch): Float32Array {
    const { embeddingSize: width, layerNormEps } = this.checkpoint.config;
    const { positions, types, scale, offset } = this;
    const rows = new Float32Array(B * S * width);
    const rowOf = positionIds(this.checkpoint.config, ids, S);
    for (let token = 0; token < B * S; token++) {
      const to = token * width;
      const word = this.word(ids[token]);
      const position = rowOf[token] * width;
      const type = typeIds[token] * width;
      let sum = 0;
      for (let i = 0; i < width; i++) {
        const value = word[i] + positions[position + i] + (types ? types[type + i] : 0);
        rows[to + i] = value;
        sum += value;
      }
      const mean = sum / width;
      let squares = 0;
      for (let i = 0; i < width; i++) squares += (rows[to + i] - mean) ** 2;
      const inverseDeviation = 1 / Math.sqrt(squares / width + layerNormEps);
      for (let i = 0; i < width; i++) rows[to + i] = (rows[to + i] - mean) * inverseDeviation * scale[i] + offset[i];
    }
    return rows;
  }

  /** A word's row of its table. // [E] */
  private word(id: number): Float32Array {
    let row = this.words.get(id);
    if (!row) {
      const { modules }: Family = FAMILIES[this.checkpoint.config.architecture as FamilyName];
      row = this.checkpoint.tensor(`${modules.wordEmbeddings}.weight`, id);
      this.words.set(id, row);
    }
    return row;
  }
}

/**
 * The embeddings at the hidden size: projected where theirs is another, else as they are. // [B·S, E] → [B·S, d]
 *
 * @param embedded from {@link Embeddings.embed}
 */
export function projectEmbeddings(ops: Ops, checkpoint: Checkpoint, embedded: Tensor): Tensor {
  const { architecture, embeddingSize, hiddenSize } = checkpoint.config;
  const { embeddingsProjection: module }: BaseModules = FAMILIES[architecture as FamilyName].modules;
  if (!module || embeddingSize === hiddenSize) return embedded;
  const variable = (part: 'weight' | 'bias', shape: number[]) =>
    ops.weight(`embeddings/projection/${part}`, shape, () => checkpoint.tensor(`${module}.${part}`));
  const product = ops.matMul(embedded, variable('weight', [hiddenSize, embeddingSize]), { b: true });
  return ops.biasAdd(product, variable('bias', [hiddenSize]));
}
