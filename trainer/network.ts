import type { ModelConfig } from '../model/architecture';
import { architectureOf } from '../model/architectures';
import type {
  Activation,
  DropoutSite,
  LinearModule,
  LinearOptions,
  Operations,
  QueryTokens,
  RowOfDistance,
  TokenIndex,
  Window,
} from '../model/operations';
import { gateHeads, joinHeads, type RowProducts, scores, softmax, splitHeads, weightedSum } from './attention';
import { convolve } from './convolution';
import { addDistanceBias } from './distance-bias';
import { addDistanceScores } from './distance-scores';
import { rowsOfDistances, rowsOfPairs } from './distances';
import type { Dropout } from './dropout';
import { activate, add, addConstant, multiply, multiplyBy } from './elementwise';
import { layerNorm } from './layer-norm';
import { addBias, linear } from './linear';
import type { NetworkWeights } from './network-weights';
import type { Ops, Tensor } from './ops';
import { repeatHeads } from './repeat-heads';
import { rmsNorm } from './rms-norm';
import { rotary, type Turn, turnByPlace } from './rotary';
import { Tape } from './tape';
import { allPlaces, firstToken, lastPlaces, lastToken, marksOfReal, meanToken, tableRows } from './tokens';
import { type Blocks, blockKeys, blockMask, blockQueries, blocksOf, firstTokenMask, joinBlocks } from './window';

/** Added to an attention score so that its probability is exactly 0. */
export const MASKED = -1e9;

/** Inputs of the graph that describe a batch's tokens. */
export interface TokenInputs {
  /** 0 at real tokens, very negative at padding. // [B, 1, 1, S] */
  mask: Tensor;
  /**
   * Rows of the word table, read if that table is frozen: most of it stays in its file. // [B·S, E]
   */
  words: Tensor;
  /** Each token's row of the word, position and segment table, exact in float32. // [B·S, 3] */
  numbers: Tensor;
}

/** Columns of {@link TokenInputs.numbers}. */
export const TOKEN_NUMBERS: readonly TokenIndex[] = ['ids', 'positions', 'segments'];

/**
 * Name of a layer's trained gates, as their offsets from 1. They are no part of any checkpoint.
 * // [H]
 */
export const trainedGates = (layer: number) => `gates.${layer}`;

/** Application of a module's weights. */
export interface LinearUse extends LinearOptions {
  module: string;
  input: Tensor; // [N, in]
  output: Tensor; // [N, out]
}

/**
 * Operations that build a TensorFlow graph and record how gradients are derived. Tokens are
 * [B·S, n], heads [B, H, S, dh].
 */
export class TensorFlowNetwork implements Operations<Tensor> {
  readonly tape: Tape;
  readonly linears: LinearUse[] = [];
  /** Outputs of the heads, by layer, as far as the network was run. // [B, H, Sq, dh] each */
  readonly headOutputs: Tensor[] = [];
  /** True if all sequences share rows of distances. */
  readsDistances = false;
  /** B. // [1] */
  readonly batch: Tensor;
  /** Turns of rotary positions, by their frequencies. */
  private readonly turns = new Map<string, Turn>();
  /** Blocks of local attention, by its reach. */
  private readonly blocks = new Map<number, Blocks>();
  private readonly windowMasks = new Map<string, Tensor>();
  private readonly rowProducts: RowProducts = new Map();
  /** Names of the probabilities before a dropout, by those after it. */
  private readonly undropped = new Map<string, string>();

  /**
   * @param dropouts absent in evaluation
   * @param gates factors of the heads' outputs before W_O, without gradients; a row for each layer
   *   that runs, the heads in the engine's order // [layers, H]
   */
  constructor(
    private readonly ops: Ops,
    private readonly config: ModelConfig,
    private readonly weights: NetworkWeights,
    private readonly inputs: TokenInputs,
    private readonly dropouts?: Dropout,
    private readonly gates?: Tensor,
  ) {
    this.tape = new Tape(ops);
    this.batch = ops.size(inputs.mask, 0);
  }

  embed(module: string, index: TokenIndex): Tensor {
    const { ops, config } = this;
    const name = `${module}.weight`;
    if (index === 'ids' && !this.weights.isTrained(name)) return this.inputs.words;
    const column = ops.slice(this.inputs.numbers, [0, TOKEN_NUMBERS.indexOf(index)], [-1, 1]);
    const padded = index === 'ids' || (index === 'positions' && architectureOf(config).positions === 'afterPadding');
    const untrained = padded ? config.padTokenId : undefined;
    return tableRows(this.tape, this.weights.get(name).tensor, ops.reshape(column, [-1]), untrained);
  }

  linear(x: Tensor, module: string, options: LinearOptions = {}): Tensor {
    const { tape, weights } = this;
    const bias = `${module}.bias`;
    const own = linear(tape, x, weights.get(`${module}.weight`, options));
    const product = this.product(x, module, options);
    // The bias comes last: TensorFlow's remapper fails on MatMul, BiasAdd, Add and Relu in a row.
    const sum = product ? add(tape, own, product) : own;
    const output = weights.has(bias) ? addBias(tape, sum, weights.get(bias, options).tensor) : sum;
    this.linears.push({ ...options, module, input: x, output });
    return output;
  }

  linearTogether(x: Tensor, modules: readonly LinearModule[]): Tensor[] {
    return modules.map(({ module, ...options }) => this.linear(x, module, options));
  }

  /**
   * Low-rank product of a module, if it has one: scale·(x·Aᵀ)·Bᵀ. // [N, in] → [N, r] → [N, out]
   */
  private product(x: Tensor, module: string, { rows, factor = 1 }: LinearOptions): Tensor | undefined {
    const scale = this.weights.scaleOf(module);
    if (scale === undefined) return undefined;
    return this.linear(this.linear(x, `${module}.lora_A`), `${module}.lora_B`, { rows, factor: factor * scale });
  }

  layerNorm(x: Tensor, module: string, epsilon: number): Tensor {
    const bias = `${module}.bias`;
    const offset = this.weights.has(bias) ? this.weights.get(bias).tensor : undefined;
    return layerNorm(this.tape, x, { scale: this.weights.get(`${module}.weight`).tensor, offset, epsilon });
  }

  rmsNorm = (x: Tensor, module: string, epsilon: number, factor?: number) =>
    rmsNorm(this.tape, x, { scale: this.weights.get(`${module}.weight`, { factor }).tensor, epsilon });

  activate = (x: Tensor, activation: Activation) => activate(this.tape, x, activation);
  add = (a: Tensor, b: Tensor) => add(this.tape, a, b);
  multiply = (a: Tensor, b: Tensor) => multiply(this.tape, a, b);
  firstToken = (x: Tensor) => firstToken(this.tape, x, this.batch);
  lastToken = (x: Tensor) => lastToken(this.tape, x, this.inputs.mask);
  meanToken = (x: Tensor) => meanToken(this.tape, x, this.inputs.mask);
  splitHeads = (x: Tensor, heads: number) => splitHeads(this.tape, x, this.batch, x.shape[1]! / heads);

  repeatHeads = (x: Tensor, times: number) => repeatHeads(this.tape, x, times, this.batch);

  rotary(x: Tensor, frequencies: readonly number[], tokens: QueryTokens): Tensor {
    if (tokens === 'first') return rotary(this.tape, x);
    const key = `${tokens} ${frequencies}`;
    const places = tokens === 'last' ? lastPlaces : allPlaces;
    const turn = this.turns.get(key) ?? turnByPlace(this.ops, frequencies, places(this.ops, this.inputs.mask));
    this.turns.set(key, turn);
    return rotary(this.tape, x, turn);
  }

  joinHeads(x: Tensor): Tensor {
    const { tape, weights, gates, batch } = this;
    const layer = this.headOutputs.length;
    this.headOutputs.push(x);
    if (gates) return joinHeads(tape, multiplyBy(tape, x, this.gateOf(gates, layer)), batch);
    const trained = trainedGates(layer);
    return joinHeads(tape, weights.has(trained) ? gateHeads(tape, x, weights.get(trained).tensor) : x, batch);
  }

  /** Gates of the heads of a layer. // → [1, H, 1, 1] */
  private gateOf(gates: Tensor, layer: number): Tensor {
    const { heads } = this.config;
    return this.ops.reshape(this.ops.slice(gates, [layer, 0], [1, heads]), [1, heads, 1, 1]);
  }

  scores(query: Tensor, key: Tensor, window?: Window): Tensor {
    const blocks = this.blocksOf(window);
    if (!blocks) return scores(this.tape, query, key);
    return scores(this.tape, blockQueries(this.tape, query, blocks), blockKeys(this.tape, key, blocks));
  }

  maskPadding = (x: Tensor) => addConstant(this.tape, x, this.inputs.mask);

  /** Only padding follows a last token. */
  maskFuture(x: Tensor, tokens: QueryTokens): Tensor {
    if (tokens === 'last') return this.maskPadding(x);
    return addConstant(this.tape, x, this.ops.aboveDiagonal(this.ops.size(this.inputs.mask, 3), MASKED));
  }

  softmax = (x: Tensor) => softmax(this.tape, x, this.rowProducts);

  weightedSum(probabilities: Tensor, value: Tensor, window?: Window): Tensor {
    const { tape, rowProducts: products, undropped } = this;
    const row = { source: undropped.get(probabilities.name) ?? probabilities.name, products };
    const blocks = this.blocksOf(window);
    if (!blocks) return weightedSum(tape, probabilities, value, row);
    return joinBlocks(tape, weightedSum(tape, probabilities, blockKeys(tape, value, blocks), row), blocks);
  }

  maskWindow(x: Tensor, window: Window): Tensor {
    const { ops, inputs, windowMasks } = this;
    const blocks = this.blocksOf(window);
    const key = JSON.stringify(window);
    const mask =
      windowMasks.get(key) ??
      (blocks ? blockMask(ops, inputs.mask, window.reach, blocks) : firstTokenMask(ops, inputs.mask, window.reach));
    windowMasks.set(key, mask);
    return addConstant(this.tape, x, mask);
  }

  dropout(x: Tensor, rate: number, layer: number, site: DropoutSite): Tensor {
    const factors = this.dropouts?.factors(this.ops, x, rate, layer, site);
    if (!factors) return x;
    const dropped = multiplyBy(this.tape, x, factors);
    this.undropped.set(dropped.name, x.name);
    return dropped;
  }

  distanceTable(module: string): Tensor {
    this.readsDistances = true;
    return this.weights.get(`${module}.weight`).tensor;
  }

  addDistanceBias(x: Tensor, module: string, rowOf: RowOfDistance, layer: number): Tensor {
    const { ops, config, weights } = this;
    const queries = ops.size(x, 2);
    const rows = rowsOfPairs(ops, config.maxPositions, rowOf, queries, ops.size(x, 3));
    const columns = weights.headsInOrder(layer);
    return addDistanceBias(this.tape, x, weights.get(`${module}.weight`).tensor, { rows, columns, queries });
  }

  addDistanceScores(all: Tensor, x: Tensor, rows: Tensor, rowOf: RowOfDistance, side: 'query' | 'key'): Tensor {
    const { ops, config } = this;
    const byKey = side === 'key';
    const [queries, keys] = [ops.size(all, 2), ops.size(all, 3)];
    const [count, others] = byKey ? [keys, queries] : [queries, keys];
    // A key's distances are those of the queries, with the other sign.
    const of = byKey ? (distance: number) => rowOf(-distance) : rowOf;
    const at = rowsOfDistances(ops, config.maxPositions, of, count, others);
    return addDistanceScores(this.tape, all, x, rows, { at, byKey, count, others });
  }

  convolve(x: Tensor, module: string): Tensor {
    const { ops, batch } = this;
    const [weight, bias] = ['weight', 'bias'].map((part) => this.weights.get(`${module}.${part}`).tensor);
    const real = ops.reshape(marksOfReal(ops, this.inputs.mask), [batch, -1, 1]);
    return convolve(this.tape, x, { weight, bias, real, batch });
  }

  /** Blocks of a window's queries; a single query has none. */
  private blocksOf(window: Window | undefined): Blocks | undefined {
    if (window?.tokens !== 'all') return undefined;
    const made = this.blocks.get(window.reach) ?? blocksOf(this.ops, window.reach, this.ops.size(this.inputs.mask, 3));
    this.blocks.set(window.reach, made);
    return made;
  }
}
