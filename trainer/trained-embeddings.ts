import type { PaddedBatch } from '../data/batches';
import type { ModelConfig } from '../model/config';
import { type BaseModules, FAMILIES, type FamilyName } from '../model/families';
import { positionIds } from '../model/positions';
import { drop } from './dropout';
import { layerNorm, layerNormGradient, layerNormWeightGradients, type NormTrace, type NormWeights } from './layer-norm';
import type { Ops, Tensor } from './ops';

/** Numbers that the network reads of a token where the embeddings are trained: its rows of the three tables. */
export const TOKEN_NUMBERS = 3;

/** In the place of `Embeddings` where the tables are in the engine: what tells a token's rows in them. */
export class TokenNumbers {
  constructor(private readonly config: ModelConfig) {}

  /** Row of the word, position and segment table of every token, each exact in float32. // [B·S, 3] */
  embed({ ids, typeIds, B, S }: PaddedBatch): Float32Array {
    const positions = positionIds(this.config, ids, S);
    const numbers = new Float32Array(B * S * TOKEN_NUMBERS);
    for (let token = 0; token < B * S; token++) {
      numbers.set([ids[token], positions[token], typeIds[token]], token * TOKEN_NUMBERS);
    }
    return numbers;
  }
}

/** The embeddings as they are trained; E is the tables' width. */
export interface EmbeddingWeights {
  words: Tensor; // [V, E]
  positions: Tensor; // [P, E]
  /** Absent in families without segments. */
  types?: Tensor; // [T, E]
  norm: NormWeights; // [E]
  /** From E to d, where they differ. */
  projection?: { weight: Tensor; bias: Tensor }; // [d, E], [d]
}

/** What the way back needs of the embeddings of one batch. */
export interface EmbeddingTrace {
  /** Rows of the word, position and segment table, not yet int32. */
  rows: Tensor[]; // [B·S] each
  norm: NormTrace;
  dropped: Tensor | undefined; // [B·S, E]
  embedded: Tensor; // [B·S, E]
}

/** Puts trained tensors in their places. */
export function trainedEmbeddings(config: ModelConfig, trained: ReadonlyMap<string, Tensor>): EmbeddingWeights {
  const modules: BaseModules = FAMILIES[config.architecture as FamilyName].modules;
  const tensor = (module: string | undefined, part: string) => trained.get(`${module}.${part}`);
  const weight = tensor(modules.embeddingsProjection, 'weight');
  const bias = tensor(modules.embeddingsProjection, 'bias');
  return {
    words: tensor(modules.wordEmbeddings, 'weight') as Tensor,
    positions: tensor(modules.positionEmbeddings, 'weight') as Tensor,
    types: tensor(modules.tokenTypeEmbeddings, 'weight'),
    norm: {
      scale: tensor(modules.embeddingsNorm, 'weight') as Tensor,
      offset: tensor(modules.embeddingsNorm, 'bias') as Tensor,
      epsilon: config.layerNormEps,
    },
    projection: weight && bias && { weight, bias },
  };
}

/**
 * Word, position and segment embedding of every token, added, normalised and brought to the hidden size.
 *
 * @param tokens from {@link TokenNumbers} // [B·S, 3]
 * @param dropFactors makes the dropout of the normalised rows, for the rows it is given
 * @returns the lowest layer's input `[B·S, d]`
 */
export function embedTokens(
  ops: Ops,
  tokens: Tensor,
  { words, positions, types, norm, projection }: EmbeddingWeights,
  dropFactors?: (rows: Tensor) => Tensor | undefined,
): { output: Tensor; trace: EmbeddingTrace } {
  const rows = [0, 1, 2].map((column) => ops.reshape(ops.slice(tokens, [0, column], [-1, 1]), [-1]));
  const [word, position, type] = rows.map((numbers) => ops.toInt(numbers));
  const text = ops.add(ops.gather(words, word), ops.gather(positions, position)); // [B·S, E]
  const normed = layerNorm(ops, types ? ops.add(text, ops.gather(types, type)) : text, norm);
  const dropped = dropFactors?.(normed.value);
  const embedded = drop(ops, normed.value, dropped);
  const output = projection
    ? ops.biasAdd(ops.matMul(embedded, projection.weight, { b: true }), projection.bias)
    : embedded;
  return { output, trace: { rows, norm: normed.trace, dropped, embedded } };
}

/**
 * The way back through {@link embedTokens}. As in PyTorch the padding token's row is not trained, of the words nor, where a
 * family has one, of the positions.
 *
 * @param gradient by its output // [B·S, d]
 * @returns gradients by all of the embeddings' tensors, by name
 */
export function embedTokensBack(
  ops: Ops,
  config: ModelConfig,
  gradient: Tensor,
  weights: EmbeddingWeights,
  trace: EmbeddingTrace,
): [name: string, gradient: Tensor][] {
  const modules: BaseModules = FAMILIES[config.architecture as FamilyName].modules;
  const { projection, norm } = weights;
  const byEmbedded = projection ? ops.matMul(gradient, projection.weight) : gradient; // [B·S, E]
  const byNormed = drop(ops, byEmbedded, trace.dropped); // [B·S, E]
  const bySum = layerNormGradient(ops, byNormed, norm, trace.norm); // [B·S, E]
  const byNorm = layerNormWeightGradients(ops, byNormed, trace.norm);
  const [word, position, type] = trace.rows;
  const byTable = (table: Tensor, rows: Tensor) => ops.sumByRow(bySum, ops.toInt(rows), table.shape[0] as number);
  const textRow = (rows: Tensor) => without(ops, rows, config.padTokenId);
  const placeRow = FAMILIES[config.architecture as FamilyName].firstPosition === 'zero' ? position : textRow(position);
  const named: [string, Tensor][] = [
    [`${modules.wordEmbeddings}.weight`, byTable(weights.words, textRow(word))],
    [`${modules.positionEmbeddings}.weight`, byTable(weights.positions, placeRow)],
    [`${modules.embeddingsNorm}.weight`, byNorm.scale],
    [`${modules.embeddingsNorm}.bias`, byNorm.offset],
  ];
  if (weights.types) named.push([`${modules.tokenTypeEmbeddings}.weight`, byTable(weights.types, type)]);
  if (projection) {
    named.push([`${modules.embeddingsProjection}.weight`, ops.matMul(gradient, trace.embedded, { a: true })]);
    named.push([`${modules.embeddingsProjection}.bias`, ops.sum(gradient, [0])]);
  }
  return named;
}

/** −1, which belongs to no row, in the place of one of the rows: `(r + 1)·sign((r − row)²) − 1`. */
function without(ops: Ops, rows: Tensor, row: number): Tensor {
  const other = ops.sign(ops.square(ops.sub(rows, ops.scalar(row))));
  return ops.sub(ops.mul(ops.add(rows, ops.scalar(1)), other), ops.scalar(1));
}
