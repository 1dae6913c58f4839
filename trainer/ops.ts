import type { Precision } from '../foundation/precision';

/** Type of a tensor's elements; `resource` is the handle of a variable. */
export type ElementType = 'float32' | 'int32' | 'complex64' | 'resource';

/** Size of an axis; null if it is known only when the graph runs. */
type Axis = number | null;

/** Value of the graph: the output of a node when the graph runs. */
export interface Tensor {
  /** `node:output`. */
  readonly name: string;
  readonly dtype: ElementType;
  readonly shape: readonly Axis[];
}

/** Attribute of a node, fixed when the graph is built. */
export type Attribute =
  | { type: ElementType }
  | { flag: boolean }
  | { int: number }
  | { text: string }
  | { shape: readonly Axis[] }
  | { values: Float32Array | Int32Array; dims: readonly number[] };

/** One op of the graph. */
export interface Node {
  name: string;
  op: string;
  /** Names of values, or `^node` for a node that runs before this one. */
  inputs: string[];
  attributes: Record<string, Attribute>;
}

/** Parameters that stay in the engine from one run to the next. */
export interface Variable {
  /** Current value. */
  value: Tensor;
  /** Input for a new value. */
  next: Tensor;
  /** Output that assigns `next` when it is fetched. */
  taken: Tensor;
  handle: Tensor;
  shape: readonly number[];
  /** Returns the initial value. */
  initial: () => Float32Array;
}

const FLOAT: Attribute = { type: 'float32' };
const INT: Attribute = { type: 'int32' };

/**
 * Builder of a graph with the TensorFlow ops that training needs. Each call adds a node and returns
 * its value, an input for the next. Nothing is computed until a session (`session.ts`) runs the
 * graph.
 *
 * With a graph, TensorFlow is called once a step, frees memory at once, and computes in place if a
 * value is not needed any more.
 */
export class Ops {
  readonly nodes: Node[] = [];
  readonly variables: Variable[] = [];
  /** Constants, weights, sizes and slices that are in the graph already. */
  private readonly known = new Map<string, Tensor>();

  /** @param precision precision of the process that runs the graph */
  constructor(private readonly precision: Precision = 'float32') {}

  /** Value that the caller feeds at each run. */
  input(name: string, dtype: ElementType, shape: readonly Axis[]): Tensor {
    return this.node('Placeholder', [], { dtype: { type: dtype }, shape: { shape } }, shape, { dtype, name });
  }

  /** Variable; a session calls `initial` when it opens. */
  variable(name: string, shape: readonly number[], initial: () => Float32Array): Variable {
    const next = this.input(`${name}/next`, 'float32', shape);
    const kind = { dtype: FLOAT, shape: { shape }, shared_name: { text: name } };
    const handle = this.node('VarHandleOp', [], kind, [], { dtype: 'resource', name });
    const value = this.node('ReadVariableOp', [handle], { dtype: FLOAT }, shape);
    const taken = this.done(this.assign({ handle }, next));
    const variable = { value, next, taken, handle, shape, initial };
    this.variables.push(variable);
    return variable;
  }

  /**
   * Frozen weight: a variable that is assigned only once, when the session opens. A name stands for
   * one weight.
   */
  weight = (name: string, shape: readonly number[], values: () => Float32Array) =>
    this.once(`weight ${name}`, () => this.variable(name, shape, values).value);

  /** Assigns a value to a variable. */
  assign = ({ handle }: Pick<Variable, 'handle'>, value: Tensor) =>
    this.node('AssignVariableOp', [handle, value], { dtype: FLOAT }, []);

  /** Output to fetch so that a node without outputs runs. */
  done = (after: Tensor) => this.node('Identity', [this.scalar(0)], { T: FLOAT }, [], { after });

  /**
   * Adam's update (Kingma & Ba 2015) of a variable and its moments in one pass:
   * `m ← β₁m + (1 − β₁)g`, `v ← β₂v + (1 − β₂)g²`, `x ← x − lr·m/(√v + ε)`. The op's own bias
   * correction, in float32, is switched off: `lr` includes it.
   *
   * @param after node that runs before the update
   */
  applyAdam(
    [x, m, v]: readonly [Variable, Variable, Variable],
    { beta1, beta2, lr, epsilon }: Record<'beta1' | 'beta2' | 'lr' | 'epsilon', Tensor>,
    gradient: Tensor,
    after?: Tensor,
  ): Tensor {
    const none = this.scalar(0);
    const inputs = [x.handle, m.handle, v.handle, none, none, lr, beta1, beta2, epsilon, gradient];
    const attributes = { T: FLOAT, use_locking: { flag: false }, use_nesterov: { flag: false } };
    return this.node('ResourceApplyAdam', inputs, attributes, [], { after });
  }

  scalar = (value: number) => this.constant(Float32Array.of(value), []);

  vector = (values: readonly number[]) => this.constant(Float32Array.from(values), [values.length]);

  /** 0 … n − 1 as float32. // → [n] */
  range(n: Tensor): Tensor {
    const [from, step] = [0, 1].map((value) => this.constant(Int32Array.of(value), []));
    const numbers = this.node('Range', [from, this.reshape(n, []), step], { Tidx: INT }, [null], INT_OUT);
    return this.toFloat(numbers);
  }

  /**
   * `a·b` of two matrices, either one transposed first. TensorFlow gives a `MatMul` to oneDNN in a
   * form that has no bfloat16. In float32 that form also adds the bias, and is faster.
   */
  matMul(a: Tensor, b: Tensor, transpose: { a?: boolean; b?: boolean } = {}): Tensor {
    if (this.precision === 'bf16') return this.batchMatMul(a, b, transpose);
    const { a: transposeA = false, b: transposeB = false } = transpose;
    const attributes = { T: FLOAT, transpose_a: { flag: transposeA }, transpose_b: { flag: transposeB } };
    return this.node('MatMul', [a, b], attributes, [a.shape[transposeA ? 1 : 0], b.shape[transposeB ? 0 : 1]]);
  }

  /**
   * `a·b` over the last two axes, either one transposed first. The leading axes are equal: oneDNN
   * reads beyond the end of an axis of size 1 that is to be broadcast.
   */
  batchMatMul(a: Tensor, b: Tensor, transpose: { a?: boolean; b?: boolean } = {}): Tensor {
    const { a: adjA = false, b: adjB = false } = transpose;
    const [rows] = a.shape.slice(adjA ? -1 : -2);
    const [columns] = b.shape.slice(adjB ? -2 : -1);
    const attributes = { T: FLOAT, adj_x: { flag: adjA }, adj_y: { flag: adjB } };
    return this.node('BatchMatMulV2', [a, b], attributes, [...a.shape.slice(0, -2), rows, columns]);
  }

  /** Whole numbers. // → int32 [n] */
  integers = (values: readonly number[]) => this.ints(values);

  add = (a: Tensor, b: Tensor) => this.pair('AddV2', a, b);
  sub = (a: Tensor, b: Tensor) => this.pair('Sub', a, b);
  mul = (a: Tensor, b: Tensor) => this.pair('Mul', a, b);
  div = (a: Tensor, b: Tensor) => this.pair('RealDiv', a, b);
  square = (x: Tensor) => this.each('Square', x);
  sqrt = (x: Tensor) => this.each('Sqrt', x);
  rsqrt = (x: Tensor) => this.each('Rsqrt', x);
  exp = (x: Tensor) => this.each('Exp', x);
  erf = (x: Tensor) => this.each('Erf', x);
  tanh = (x: Tensor) => this.each('Tanh', x);
  sigmoid = (x: Tensor) => this.each('Sigmoid', x);
  softplus = (x: Tensor) => this.each('Softplus', x);
  relu = (x: Tensor) => this.each('Relu', x);
  floor = (x: Tensor) => this.each('Floor', x);
  sign = (x: Tensor) => this.each('Sign', x);
  cos = (x: Tensor) => this.each('Cos', x);
  sin = (x: Tensor) => this.each('Sin', x);

  /** `x·factor`. */
  scale = (x: Tensor, factor: number) => this.mul(x, this.scalar(factor));

  /** Products of complex numbers, each a real and an imaginary part. // [..., 2] */
  complexMul(a: Tensor, b: Tensor): Tensor {
    const bits = (x: Tensor, from: ElementType, to: ElementType, shape: readonly Axis[]) =>
      this.node('Bitcast', [x], { T: { type: from }, type: { type: to } }, shape, { dtype: to });
    const [left, right] = [a, b].map((x) => bits(x, 'float32', 'complex64', x.shape.slice(0, -1)));
    const product = this.pair('Mul', left, right); // [...]
    return bits(product, 'complex64', 'float32', [...product.shape, 2]);
  }

  /** `x + bias`, the bias along the last axis. */
  biasAdd = (x: Tensor, bias: Tensor) => this.node('BiasAdd', [x, bias], { T: FLOAT }, x.shape);

  /** Softmax over the last axis. */
  softmax = (x: Tensor) => this.each('Softmax', x);

  /** Square matrix with a value above its diagonal and 0 elsewhere. // → [S, S] */
  aboveDiagonal(size: Tensor, value: number): Tensor {
    return this.once(`above ${size.name} ${value}`, () => {
      const attributes = { T: FLOAT, index_type: INT };
      const full = this.node('Fill', [this.sizes([size, size]), this.scalar(value)], attributes, [null, null]);
      const bounds = [-1, 0].map((bound) => this.constant(Int32Array.of(bound), []));
      return this.sub(full, this.node('MatrixBandPart', [full, ...bounds], { T: FLOAT, Tindex: INT }, [null, null]));
    });
  }

  sum(x: Tensor, axes: number[], keepDims = false): Tensor {
    const shape = keepDims ? x.shape.map((size, axis) => (axes.includes(axis) ? 1 : size)) : without(x.shape, axes);
    return this.node('Sum', [x, this.ints(axes)], { T: FLOAT, Tidx: INT, keep_dims: { flag: keepDims } }, shape);
  }

  /** Mean over the last axis, which remains with size 1. */
  meanOfLast(x: Tensor): Tensor {
    const last = this.ints([x.shape.length - 1]);
    const attributes = { T: FLOAT, Tidx: INT, keep_dims: { flag: true } };
    return this.node('Mean', [x, last], attributes, [...x.shape.slice(0, -1), 1]);
  }

  /** Size of an axis, for {@link reshape}. // → [1] */
  size(x: Tensor, axis: number): Tensor {
    return this.once(`${x.name} ${axis}`, () => {
      const shape = this.shapeOf(x);
      return this.node('Slice', [shape, this.ints([axis]), this.ints([1])], { T: INT, Index: INT }, [1], INT_OUT);
    });
  }

  /** @param shape sizes: numbers, or results of {@link size}; one may be −1, for the rest */
  reshape(x: Tensor, shape: (number | Tensor)[]): Tensor {
    const sizes = shape.map((size) => (typeof size === 'number' && size >= 0 ? size : null));
    const attributes = { T: { type: x.dtype }, Tshape: INT };
    return this.node('Reshape', [x, this.sizes(shape)], attributes, sizes, { dtype: x.dtype });
  }

  transpose(x: Tensor, permutation: number[]): Tensor {
    const shape = permutation.map((axis) => x.shape[axis]);
    return this.node('Transpose', [x, this.ints(permutation)], { T: FLOAT, Tperm: INT }, shape);
  }

  /**
   * Block of `size` from `begin`, each of numbers or results of {@link size}; a size of −1 extends
   * to the end of its axis.
   */
  slice(x: Tensor, begin: (number | Tensor)[], size: (number | Tensor)[]): Tensor {
    const shape = size.map((length, axis) => {
      const [whole, from] = [x.shape[axis], begin[axis]];
      if (typeof length !== 'number' || typeof from !== 'number') return null;
      return length >= 0 ? length : whole === null ? null : whole - from;
    });
    const attributes = { T: typeOf(x), Index: INT };
    const place = [...begin, ...size].map((each) => (typeof each === 'number' ? each : each.name));
    return this.once(`slice ${x.name} ${place}`, () =>
      this.node('Slice', [x, this.sizes(begin), this.sizes(size)], attributes, shape, { dtype: x.dtype }),
    );
  }

  /** Adds zeros before and behind an axis: as many as numbers, or results of {@link size}, say. */
  pad(x: Tensor, axis: number, before: number | Tensor, behind: number | Tensor): Tensor {
    const counts = x.shape.flatMap((_, at) => (at === axis ? [before, behind] : [0, 0]));
    const paddings = this.reshape(this.sizes(counts), [-1, 2]);
    const shape = x.shape.map((size, at) => (at === axis ? null : size));
    return this.node('Pad', [x, paddings], { T: FLOAT, Tpaddings: INT }, shape);
  }

  concat(parts: Tensor[], axis: number): Tensor {
    if (parts.length === 1) return parts[0];
    const sizes = parts.map((part) => part.shape[axis]);
    const total = sizes.reduce((sum: Axis, size) => (sum === null || size === null ? null : sum + size), 0);
    const shape = parts[0].shape.map((size, at) => (at === axis ? total : size));
    return this.join(parts, axis, shape);
  }

  /** Repeats a tensor of one along its first axis. // [1, …], [1] → [count, …] */
  repeat(x: Tensor, count: Tensor): Tensor {
    const multiples = this.sizes([count, ...x.shape.slice(1).map(() => 1)]);
    return this.node('Tile', [x, multiples], { T: FLOAT, Tmultiples: INT }, [null, ...x.shape.slice(1)]);
  }

  /** Whole numbers as int32. */
  toInt(x: Tensor): Tensor {
    if (x.dtype === 'int32') return x;
    const attributes = { SrcT: FLOAT, DstT: INT, Truncate: { flag: false } };
    return this.node('Cast', [x], attributes, x.shape, INT_OUT);
  }

  /** Inverse of {@link toInt}. */
  toFloat(x: Tensor): Tensor {
    const attributes = { SrcT: INT, DstT: FLOAT, Truncate: { flag: false } };
    return this.node('Cast', [x], attributes, x.shape);
  }

  /** Rows of a table, or numbers of a list. // [V, …], [N] → [N, …] */
  gather(table: Tensor, rows: Tensor): Tensor {
    const attributes = { Tparams: typeOf(table), Tindices: INT, Taxis: INT, batch_dims: { int: 0 } };
    const axis = this.constant(Int32Array.of(0), []);
    const shape = [...rows.shape, ...table.shape.slice(1)];
    return this.node('GatherV2', [table, rows, axis], attributes, shape, { dtype: table.dtype });
  }

  /**
   * Inverse of {@link gather}: the sum of the rows with the same index in a table. Rows with index
   * −1 are left out. // [N, E], [N] → [V, E]
   */
  sumByRow(x: Tensor, rows: Tensor, count: number): Tensor {
    const attributes = { T: FLOAT, Tindices: INT, Tnumsegments: INT };
    const total = this.constant(Int32Array.of(count), []);
    return this.node('UnsortedSegmentSum', [x, rows, total], attributes, [count, x.shape[1]]);
  }

  /**
   * Uniform numbers in [0, 1) with the shape of `x`: a pure function of the two numbers of the key
   * (Philox, counter based).
   */
  uniformLike(x: Tensor, key: [Tensor, number]): Tensor {
    const attributes = { T: INT, dtype: FLOAT, Tseed: INT };
    const seed = this.sizes(key);
    return this.node('StatelessRandomUniform', [this.shapeOf(x), seed], attributes, x.shape);
  }

  /** Cross-entropy of each row to a distribution, and its gradient. // → [B], [B, C] */
  crossEntropy(logits: Tensor, labels: Tensor): [loss: Tensor, gradient: Tensor] {
    const loss = this.node('SoftmaxCrossEntropyWithLogits', [logits, labels], { T: FLOAT }, [logits.shape[0]]);
    return [loss, { name: loss.name.replace(/0$/, '1'), dtype: 'float32', shape: logits.shape }];
  }

  private each = (op: string, x: Tensor) => this.node(op, [x], { T: FLOAT }, x.shape);

  private pair(op: string, a: Tensor, b: Tensor): Tensor {
    return this.node(op, [a, b], { T: typeOf(a) }, broadcast(a.shape, b.shape), { dtype: a.dtype });
  }

  private shapeOf(x: Tensor): Tensor {
    const attributes = { T: { type: x.dtype }, out_type: INT };
    return this.once(`shape ${x.name}`, () => this.node('Shape', [x], attributes, [x.shape.length], INT_OUT));
  }

  /** Numbers and tensors of shape [1] as one int32 vector. */
  private sizes(parts: (number | Tensor)[]): Tensor {
    if (parts.every((part) => typeof part === 'number')) return this.ints(parts);
    const tensors = parts.map((part) => (typeof part === 'number' ? this.ints([part]) : part));
    return tensors.length === 1 ? tensors[0] : this.join(tensors, 0, [parts.length]);
  }

  private join(parts: Tensor[], axis: number, shape: readonly Axis[]): Tensor {
    const { dtype } = parts[0];
    const attributes = { T: { type: dtype }, Tidx: INT, N: { int: parts.length } };
    const along = this.constant(Int32Array.of(axis), []);
    return this.node('ConcatV2', [...parts, along], attributes, shape, { dtype });
  }

  private ints = (values: readonly number[]) => this.constant(Int32Array.from(values), [values.length]);

  private constant(values: Float32Array | Int32Array, dims: readonly number[]): Tensor {
    const dtype = values instanceof Float32Array ? 'float32' : 'int32';
    return this.once(`${dtype} [${dims}] ${values.join()}`, () => {
      const attributes: Record<string, Attribute> = { dtype: { type: dtype }, value: { values, dims } };
      return this.node('Const', [], attributes, dims, { dtype });
    });
  }

  private once(key: string, make: () => Tensor): Tensor {
    const made = this.known.get(key) ?? make();
    this.known.set(key, made);
    return made;
  }

  private node(
    op: string,
    inputs: Tensor[],
    attributes: Record<string, Attribute>,
    shape: readonly Axis[],
    { dtype = 'float32', name = `${op}_${this.nodes.length}`, after }: NodeOptions = {},
  ): Tensor {
    const names = inputs.map((input) => input.name);
    if (after) names.push(`^${after.name.replace(/:0$/, '')}`);
    this.nodes.push({ name, op, inputs: names, attributes });
    return { name: `${name}:0`, dtype, shape };
  }
}

interface NodeOptions {
  dtype?: ElementType;
  name?: string;
  /** Node that runs before this one. */
  after?: Tensor;
}

const INT_OUT: NodeOptions = { dtype: 'int32' };

const typeOf = ({ dtype }: Tensor): Attribute => ({ type: dtype });

const without = (shape: readonly Axis[], axes: number[]) => shape.filter((_, axis) => !axes.includes(axis));

/** Shape of an op over two tensors, the shorter shape aligned at its end. */
function broadcast(a: readonly Axis[], b: readonly Axis[]): Axis[] {
  if (a.length < b.length) return broadcast(b, a);
  const offset = a.length - b.length;
  return a.map((size, axis) => {
    const other = axis < offset ? 1 : b[axis - offset];
    return size === 1 ? other : size;
  });
}
