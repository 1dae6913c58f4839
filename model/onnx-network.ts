import type { ModelTensor } from './architecture';
import { architectureOf } from './architectures';
import type { Arithmetic, DenseLayer, PickRows } from './arithmetic';
import type { GraphSource } from './graph-source';
import type { OnnxGraph } from './onnx';
import { activate } from './onnx-activation';
import { OnnxDistances } from './onnx-distances';
import { type OnnxInputs, PACKING } from './onnx-inputs';
import { OnnxPlaces } from './onnx-places';
import { computedPositions } from './onnx-positions';
import { OnnxBlocks, range, within } from './onnx-window';
import type {
  Activation,
  LinearModule,
  LinearOptions,
  Operations,
  QueryTokens,
  RowOfDistance,
  TokenIndex,
  Window,
} from './operations';

/** Value of an ONNX graph. The axes of heads are [B, S, H, dh]: each use transposes as it needs. */
export interface OnnxValue {
  name: string;
  /** Width of the last axis; of heads H·dh. */
  width: number;
  /** H, of heads. */
  heads?: number;
  /** Whether it has the type of the matrix products, not float32. */
  narrow?: boolean;
  /** Factor that is still to be applied. */
  factor?: number;
  /** Whether its rows are distances, which all sequences share. */
  distances?: boolean;
}

/** Added to a padded key's score: the smallest float32, whose softmax is 0 beside a real score. */
const MASKED = -3.4028234663852886e38;

/**
 * Operations that build an ONNX graph. Tokens are [B, S, n], or [T, n] in a packed graph. Inputs,
 * all int64 [B, S]: `input_ids`, `token_type_ids`, `position_ids` and `attention_mask` (1 for a
 * token, 0 for padding on the right).
 */
export class OnnxNetwork implements Operations<OnnxValue> {
  private readonly made = new Map<string, string>();
  private readonly places: OnnxPlaces;
  private readonly distances: OnnxDistances;
  /** Blocks of local attention, by its reach. */
  private readonly blocks = new Map<number, OnnxBlocks>();

  private constructor(
    readonly graph: OnnxGraph,
    readonly source: GraphSource,
    private readonly arithmetic: Arithmetic,
    private readonly inputs: OnnxInputs,
    private readonly shapes: ReadonlyMap<string, readonly number[]>,
    /** `attention_mask`. [B, S] */
    readonly mask: string,
    /** Sequences of the inputs that this network has, int64 [N]; absent for all in order. */
    private readonly sequences?: string,
  ) {
    const { maxPositions, padTokenId } = source.config;
    const [length, ids] = [() => this.length(), () => this.input('input_ids')];
    this.places = new OnnxPlaces(graph, { length, ids, padTokenId });
    this.distances = new OnnxDistances(graph, maxPositions);
  }

  /**
   * Declares the mask and the inputs for packing; the others follow with their first use.
   *
   * @param taskHead tensors of the task head, if the graph has one
   */
  static start(
    graph: OnnxGraph,
    source: GraphSource,
    arithmetic: Arithmetic,
    inputs: OnnxInputs,
    taskHead: readonly ModelTensor[] = [],
  ) {
    const { config } = source;
    const all = [...architectureOf(config).tensors(config), ...taskHead];
    const shapes = new Map(all.map(({ name, shape }) => [name, shape]));
    if (inputs.packed) {
      graph.input(PACKING.tokens, 'int64', ['T']);
      graph.input(PACKING.places, 'int64', ['B', 'S']);
    }
    const mask = graph.input('attention_mask', 'int64', ['B', 'S']);
    return new OnnxNetwork(graph, source, arithmetic, inputs, shapes, mask);
  }

  /** The same network, continued in another arithmetic. */
  with(arithmetic: Arithmetic): OnnxNetwork {
    return new OnnxNetwork(this.graph, this.source, arithmetic, this.inputs, this.shapes, this.mask);
  }

  /** The same network in another arithmetic, for some sequences of the inputs. // int64 [N] */
  ofSequences(sequences: string, arithmetic: Arithmetic): OnnxNetwork {
    return new OnnxNetwork(this.graph, this.source, arithmetic, this.inputs, this.shapes, this.mask, sequences);
  }

  embed = (module: string, index: TokenIndex) => this.rows(module, this.picker(index));

  linear(x: OnnxValue, module: string, options: LinearOptions = {}): OnnxValue {
    const layer = this.denseLayer(x, { module, ...options });
    return this.product(this.arithmetic.dense(this.narrow(x), layer), layer, options);
  }

  linearTogether(x: OnnxValue, modules: readonly LinearModule[]): OnnxValue[] {
    if (!this.arithmetic.denseTogether) return modules.map(({ module, ...options }) => this.linear(x, module, options));
    const layers = modules.map((each) => this.denseLayer(x, each));
    const products = this.arithmetic.denseTogether(this.narrow(x), layers);
    return products.map((name, i) => this.product(name, layers[i], modules[i]));
  }

  private denseLayer({ distances }: OnnxValue, { module, rows }: LinearModule): DenseLayer {
    const [all, into] = this.shape(`${module}.weight`);
    const [from, to] = rows ?? [0, all];
    const part = (name: string, width: number) => this.source.tensor(name).subarray(from * width, to * width);
    const weight = part(`${module}.weight`, into); // [out, into]
    const bias = this.shapes.has(`${module}.bias`) ? part(`${module}.bias`, 1) : undefined;
    return { module: rows ? `${module}.${from}` : module, out: to - from, into, weight, bias, distances };
  }

  private product(name: string, { out, distances }: DenseLayer, { factor }: LinearOptions): OnnxValue {
    return { name, width: out, narrow: true, factor, distances };
  }

  layerNorm(x: OnnxValue, module: string, epsilon: number): OnnxValue {
    const { graph } = this;
    const [scale, ...offset] = [`${module}.weight`, `${module}.bias`]
      .filter((name) => this.shapes.has(name))
      .map((name) => this.stored(name));
    const attributes = { axis: { int: -1 }, epsilon: { float: epsilon } };
    const norm = (...constants: string[]) =>
      graph.node('LayerNormalization', [this.wide(x), ...constants], { attributes });
    if (!graph.isInput(scale)) return this.like(x, norm(scale, ...offset));
    // By several sets of scales onnxruntime's operator gives other bits than by one.
    const [width] = this.shape(`${module}.weight`);
    const ones = this.once(`${width} ones`, () => graph.constant('float32', [width], new Float32Array(width).fill(1)));
    const scaled = graph.node('Mul', [norm(ones), scale]);
    return this.like(x, offset.length > 0 ? graph.node('Add', [scaled, ...offset]) : scaled);
  }

  /** In the operators that onnxruntime fuses to one. */
  rmsNorm(x: OnnxValue, module: string, epsilon: number, factor = 1): OnnxValue {
    const { graph } = this;
    const name = `${module}.weight`;
    const wide = this.wide(x);
    const square = graph.node('Pow', [wide, this.scalar(2)]);
    const mean = graph.node('ReduceMean', [square, this.ints([-1])]); // the last axis remains, with size 1
    const root = graph.node('Sqrt', [graph.node('Add', [mean, this.scalar(epsilon)])]);
    const scaled = () => this.source.tensor(name).map((value) => value * factor);
    const scale =
      factor === 1
        ? this.stored(name)
        : this.once(`${factor} ${name}`, () => graph.constant('float32', [...this.shape(name)], scaled()));
    return this.like(x, graph.node('Mul', [graph.node('Div', [wide, root]), scale]));
  }

  activate(x: OnnxValue, activation: Activation): OnnxValue {
    return this.like(x, activate(this.graph, this.wide(x), activation));
  }

  add = (a: OnnxValue, b: OnnxValue) => this.like(a, this.graph.node('Add', [this.wide(a), this.wide(b)]));

  multiply = (a: OnnxValue, b: OnnxValue) => this.like(a, this.graph.node('Mul', [this.wide(a), this.wide(b)]));

  /** // [B, S, n] → [B, 1, n] */
  firstToken(x: OnnxValue): OnnxValue {
    const attributes = { axis: { int: 1 } };
    return this.like(x, this.graph.node('Gather', [this.wide(x), this.ints([0])], { attributes }));
  }

  /** // [B, S, n] → [B, 1, n] */
  lastToken(x: OnnxValue): OnnxValue {
    const { graph } = this;
    const place = graph.node('Unsqueeze', [graph.cast(this.places.last(), 'int64'), this.ints([2])]); // [B, 1, 1]
    return this.like(x, graph.node('GatherND', [this.wide(x), place], { attributes: { batch_dims: { int: 1 } } }));
  }

  /**
   * As a matrix product: onnxruntime adds in another order for one sequence.
   * // [B, S, n] → [B, 1, n]
   */
  meanToken(x: OnnxValue): OnnxValue {
    const { graph } = this;
    const real = this.realTokens();
    const sum = graph.node('MatMul', [this.transpose(real, [0, 2, 1]), this.wide(x)]); // [B, 1, n]
    return this.like(x, graph.node('Div', [sum, graph.node('ReduceSum', [real, this.ints([1])])]));
  }

  splitHeads(x: OnnxValue, heads: number): OnnxValue {
    const rows = this.inputs.packed ? this.graph.node('Gather', [x.name, PACKING.places]) : x.name; // [B, S, H·dh]
    const split = this.graph.node('Reshape', [rows, this.ints([0, 0, heads, x.width / heads])]);
    return { ...x, heads, name: split };
  }

  repeatHeads(x: OnnxValue, times: number): OnnxValue {
    if (times === 1) return x;
    const { graph } = this;
    const apart = graph.node('Unsqueeze', [x.name, this.ints([3])]); // [B, S, G, 1, dh]
    const copies = graph.node('Expand', [apart, this.ints([1, 1, 1, times, 1])]);
    const joined = graph.node('Reshape', [copies, this.ints([0, 0, -1, this.source.config.headDim])]);
    return { ...x, width: x.width * times, name: joined }; // [B, S, G·times, dh]
  }

  /** A first token is not turned: its place is 0. // [B, S, H, dh] */
  rotary(x: OnnxValue, frequencies: readonly number[], tokens: QueryTokens): OnnxValue {
    if (tokens === 'first') return x;
    const { graph } = this;
    const [cosine, sine] = this.places.turn(frequencies, tokens);
    const { factor, ...plain } = x;
    const halves = { attributes: { axis: { int: -1 }, num_outputs: { int: 2 } } };
    const [first, second] = graph.nodeOf(2, 'Split', [this.wide(plain)], halves);
    const times = (half: string, by: string) => graph.node('Mul', [half, by]);
    const left = graph.node('Sub', [times(first, cosine), times(second, sine)]);
    const right = graph.node('Add', [times(second, cosine), times(first, sine)]);
    const name = graph.node('Concat', [left, right], { attributes: { axis: { int: -1 } } });
    return { name, width: x.width, heads: x.heads, factor };
  }

  joinHeads({ width, ...heads }: OnnxValue): OnnxValue {
    const { graph } = this;
    const joined = this.inputs.packed
      ? graph.node('Gather', [graph.node('Reshape', [heads.name, this.ints([-1, width])]), PACKING.tokens]) // [T, H·dh]
      : graph.node('Reshape', [heads.name, this.ints([0, 0, width])]); // [B, S, H·dh]
    return { ...heads, width, name: joined };
  }

  /** A factor of an operand is applied to the product: onnxruntime fuses it with the MatMul. */
  scores(query: OnnxValue, key: OnnxValue, window?: Window): OnnxValue {
    const blocks = this.blocksOf(window);
    const [queries, keys] = blocks
      ? [
          this.transpose(blocks.queries(this.operand(query), query.heads!), [0, 1, 3, 2, 4]),
          this.transpose(blocks.keys(this.operand(key), key.heads!), [0, 1, 3, 4, 2]),
        ]
      : [this.transpose(this.operand(query), [0, 2, 1, 3]), this.transpose(this.operand(key), [0, 2, 3, 1])];
    const product = this.graph.node('MatMul', [queries, keys]);
    const factor = (query.factor ?? 1) * (key.factor ?? 1);
    // [B, H, Sq, S], in blocks [B, blocks, H, size, size + 2·halo]
    return { name: this.wide({ name: product, width: 0, narrow: true, factor }), width: 0 };
  }

  maskPadding = (scores: OnnxValue) => this.masked(scores, 'mask', () => this.realKeys()); // [B, 1, 1, S]

  maskWindow(scores: OnnxValue, window: Window): OnnxValue {
    const blocks = this.blocksOf(window);
    const { tokens, reach } = window;
    return this.masked(scores, `mask ${tokens} ${reach}`, () => {
      if (blocks) return blocks.allowed(this.mask); // [B, blocks, 1, size, size + 2·halo]
      const near = within(this.graph, range(this.graph, this.length()), reach); // from the first token // [S]
      return this.graph.node('And', [this.realKeys(), near]); // [B, 1, 1, S]
    });
  }

  maskFuture(scores: OnnxValue, tokens: QueryTokens): OnnxValue {
    const added = this.once(`future ${tokens}`, () =>
      this.graph.node('Where', [this.places.isFuture(tokens), this.scalar(MASKED), this.scalar(0)]),
    );
    return this.like(scores, this.graph.node('Add', [scores.name, added]));
  }

  softmax(scores: OnnxValue): OnnxValue {
    return this.like(scores, this.graph.node('Softmax', [scores.name], { attributes: { axis: { int: -1 } } }));
  }

  weightedSum(probabilities: OnnxValue, value: OnnxValue, window?: Window): OnnxValue {
    const blocks = this.blocksOf(window);
    if (blocks) {
      const heads = value.heads!;
      const values = this.transpose(blocks.keys(this.narrow(value), heads), [0, 1, 3, 2, 4]);
      const sums = this.graph.node('MatMul', [this.narrow(probabilities), values]); // [B, blocks, H, size, dh]
      const byToken = this.transpose(this.arithmetic.wide(sums), [0, 1, 3, 2, 4]);
      return { name: blocks.joined(byToken, heads, value.width / heads), width: value.width };
    }
    const byHead = this.transpose(this.narrow(value), [0, 2, 1, 3]); // [B, H, S, dh]
    const product = this.graph.node('MatMul', [this.narrow(probabilities), byHead]); // [B, H, Sq, dh]
    return { name: this.transpose(this.arithmetic.wide(product), [0, 2, 1, 3]), width: value.width };
  }

  /** A graph only evaluates. */
  dropout = (x: OnnxValue) => x;

  distanceTable = (module: string) => ({ ...this.rows(module, (table) => table), distances: true });

  addDistanceBias(scores: OnnxValue, module: string, rowOf: RowOfDistance): OnnxValue {
    const { graph, distances } = this;
    const bias = this.once(`bias ${module}`, () => {
      const rows = distances.ofPairs(rowOf, this.length()); // [S, S]
      return this.transpose(graph.node('Gather', [this.stored(`${module}.weight`), rows]), [2, 0, 1]); // [H, S, S]
    });
    const queries = distances.size(scores.name, 2);
    const asked = graph.node('Slice', [bias, this.ints([0]), queries, this.ints([1])]); // [H, Sq, S]
    return this.like(scores, graph.node('Add', [scores.name, asked]));
  }

  addDistanceScores(all: OnnxValue, x: OnnxValue, rows: OnnxValue, rowOf: RowOfDistance, side: 'query' | 'key') {
    const { heads } = this.source.config;
    const factor = (x.factor ?? 1) * (rows.factor ?? 1);
    const wide = (product: string) => this.wide({ name: product, width: 0, narrow: true, factor });
    const tokens = this.transpose(this.operand(x), [0, 2, 1, 3]); // [B, H, count, dh]
    const { sets } = this.arithmetic;
    const added = this.distances.scores(all.name, tokens, this.operand(rows), { rowOf, side, heads, wide, sets });
    return this.like(all, this.graph.node('Add', [all.name, added]));
  }

  /** Always in float32. */
  convolve(x: OnnxValue, module: string): OnnxValue {
    const { graph } = this;
    const [weight, bias] = ['weight', 'bias'].map((part) => this.stored(`${module}.${part}`));
    const [out, , width] = this.shape(`${module}.weight`);
    const tokens = this.inputs.packed ? graph.node('Gather', [this.wide(x), PACKING.places]) : this.wide(x); // [B, S, in]
    const sequences = this.transpose(graph.node('Mul', [tokens, this.realTokens()]), [0, 2, 1]);
    const pads = { pads: { ints: [(width - 1) / 2, (width - 1) / 2] } };
    const convolved = this.transpose(graph.node('Conv', [sequences, weight, bias], { attributes: pads }), [0, 2, 1]);
    const flat = () => graph.node('Reshape', [convolved, this.ints([-1, out])]);
    return { name: this.inputs.packed ? graph.node('Gather', [flat(), PACKING.tokens]) : convolved, width: out };
  }

  /** Name of the value as float32. */
  wide({ name, narrow, factor = 1 }: OnnxValue): string {
    const wide = narrow ? this.once(`wide ${name}`, () => this.arithmetic.wide(name)) : name;
    return factor === 1
      ? wide
      : this.once(`${factor} ${wide}`, () => this.graph.node('Mul', [wide, this.scalar(factor)]));
  }

  /** Name of the value in the type of the matrix products. */
  private narrow(x: OnnxValue): string {
    return x.narrow && (x.factor ?? 1) === 1 ? x.name : this.arithmetic.narrow(this.wide(x));
  }

  /** Operand of a product without the factor, which the product gets. */
  private operand = (x: OnnxValue) => this.narrow({ ...x, factor: undefined });

  private like = ({ width, distances }: OnnxValue, name: string): OnnxValue => ({ name, width, distances });

  private transpose(x: string, perm: number[]): string {
    return this.graph.node('Transpose', [x], { attributes: { perm: { ints: perm } } });
  }

  private shape(name: string): readonly number[] {
    const shape = this.shapes.get(name);
    if (!shape) throw new Error(`the architecture has no tensor ${name}`);
    return shape;
  }

  /** Rows of a table. */
  private rows(module: string, pick: PickRows): OnnxValue {
    const name = `${module}.weight`;
    const [rows, width] = this.shape(name);
    const weight = this.source.tensor(name);
    return { name: this.arithmetic.rows({ module, rows, width, weight }, pick), width };
  }

  /** Tensor of the model as a constant, float32. */
  private stored = (name: string) =>
    this.once(name, () => this.graph.constant('float32', [...this.shape(name)], this.source.tensor(name), name));

  /** Way to pick the tokens' rows of a table. */
  private picker(index: TokenIndex): PickRows {
    const { graph, inputs } = this;
    const gathered =
      (at: string): PickRows =>
      (table) =>
        graph.node('Gather', [table, at]);
    if (index === 'ids') return gathered(this.input('input_ids'));
    if (index === 'segments') {
      return gathered((inputs.segments ?? true) ? this.input('token_type_ids') : this.ints([0]));
    }
    return inputs.positions === 'computed'
      ? computedPositions(graph, this.source.config, this.input('input_ids'))
      : gathered(this.input('position_ids'));
  }

  /** Input for each token, int64. // [B, S], packed [T] */
  private input(name: string): string {
    return this.once(name, () => {
      const given = this.graph.input(name, 'int64', ['B', 'S']);
      if (!this.inputs.packed) return this.ofOwn(given);
      return this.graph.node('Gather', [this.graph.node('Reshape', [given, this.ints([-1])]), PACKING.tokens]);
    });
  }

  /** S. // [1], int64 */
  private length(): string {
    const attributes = { start: { int: 1 }, end: { int: 2 } };
    return this.once('length', () => this.graph.node('Shape', [this.mask], { attributes }));
  }

  /** Blocks of a window's queries; a single query has none. */
  private blocksOf(window: Window | undefined): OnnxBlocks | undefined {
    if (window?.tokens !== 'all') return undefined;
    const made = this.blocks.get(window.reach) ?? new OnnxBlocks(this.graph, window.reach, this.length());
    this.blocks.set(window.reach, made);
    return made;
  }

  /**
   * 1 at real tokens, 0 at padding. No cast to float32: onnxconverter_common's float16 converter
   * breaks those. // [B, S, 1]
   */
  private realTokens(): string {
    const isReal = this.graph.cast(this.graph.node('Unsqueeze', [this.mask, this.ints([2])]), 'bool');
    return this.ofOwn(this.graph.node('Where', [isReal, this.scalar(1), this.scalar(0)]));
  }

  /** True at keys that are no padding. // [B, 1, 1, S] */
  private realKeys = () => this.graph.cast(this.graph.node('Unsqueeze', [this.mask, this.ints([1, 2])]), 'bool');

  /** Picks this network's sequences from those of the inputs. */
  private ofOwn = (values: string) =>
    this.sequences === undefined ? values : this.graph.node('Gather', [values, this.sequences]);

  /** Scores of the allowed keys alone. The key of the mask must say what it allows. */
  private masked(scores: OnnxValue, key: string, allowed: () => string): OnnxValue {
    const added = this.once(key, () =>
      this.ofOwn(this.graph.node('Where', [allowed(), this.scalar(0), this.scalar(MASKED)])),
    );
    return this.like(scores, this.graph.node('Add', [scores.name, added]));
  }

  private ints = (values: number[]) => this.graph.ints(values);

  private scalar = (value: number) => this.once(`scalar ${value}`, () => this.graph.scalar(value));

  private once(key: string, make: () => string): string {
    const made = this.made.get(key) ?? make();
    this.made.set(key, made);
    return made;
  }
}
