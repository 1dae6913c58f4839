import type { Slice } from '../delta/slices';
import type { Tuning } from '../delta/tuning';
import type { ModelConfig } from '../model/architecture';
import { architectureOf } from '../model/architectures';
import type { LinearOptions, Range } from '../model/operations';
import type { Matrix } from './linear';
import type { Ops, Tensor } from './ops';
import { type Part, partOf } from './part';
import { type EngineOrder, tunedLast } from './tuned-last';

/** Place of a trained tensor, or of a piece of it, in the network. */
interface TrainedPiece {
  /** Name of the trained tensor. */
  parameter: string;
  /** Its first row in the trained tensor. */
  row: number;
  /** Weight that holds it. */
  tensor: Tensor;
  /** Place in that weight. */
  part: Part;
  /** The weight holds the trained numbers times this. */
  factor: number;
}

/**
 * Weights of the network in the engine: frozen rows in variables that nothing ever writes, and the
 * trained rows beside them. A matrix of which heads or neurons own columns is stored transposed
 * where these are tuned, so that every trained piece consists of rows. Tuned heads and neurons come
 * last in their layer.
 */
export class NetworkWeights {
  private readonly made = new Map<string, Matrix>();
  private readonly pieces: TrainedPiece[] = [];
  private readonly shapes: ReadonlyMap<string, readonly number[]>;
  private readonly slices: ReadonlyMap<string, TrainedPart>;
  private readonly scales: ReadonlyMap<string, number>;
  private readonly order: EngineOrder;

  /**
   * @param parameters trained tensors by canonical name. One that is no slice of the base, such as
   *   the task head's, is trained whole.
   */
  constructor(
    private readonly ops: Ops,
    private readonly source: { config: ModelConfig; tensor(canonical: string): Float32Array },
    { slices, products = [] }: Tuning,
    private readonly parameters: ReadonlyMap<string, Tensor>,
  ) {
    const { config } = source;
    const tuned = new Map<string, TrainedPart>(slices.map((slice) => [slice.canonical, slice]));
    const whole = [...parameters].filter(([name]) => !tuned.has(name));
    const shapes = new Map(
      architectureOf(config)
        .tensors(config)
        .map(({ name, shape }) => [name, shape]),
    );
    this.shapes = new Map([...shapes, ...whole.map(([name, { shape }]) => [name, shape as number[]] as const)]);
    this.slices = new Map([...tuned, ...whole.map(([name, { shape }]) => [name, wholeOf(shape[0]!)] as const)]);
    this.scales = new Map(products.map(({ module, scale }) => [module, scale]));
    // The rows and columns of products are in the model's order.
    this.order = tunedLast(config, products.length > 0 ? [] : slices);
  }

  /** Heads of a layer in the engine's order. */
  headsInOrder = (layer: number) => this.order.heads[layer];

  /** Returns true for a tensor of the base or a trained one. */
  has = (name: string) => this.shapes.has(name);

  isTrained = (name: string) => this.parameters.has(name);

  /** Factor of the product that is added to a module's matrix; undefined if there is none. */
  scaleOf = (module: string) => this.scales.get(module);

  /** A weight times a factor, the trained slices in place. */
  get(name: string, options: LinearOptions = {}): Matrix {
    const key = JSON.stringify([name, options]);
    const made = this.made.get(key) ?? this.make(name, options);
    this.made.set(key, made);
    return made;
  }

  /** Places of all trained numbers that the network has read so far. */
  get wanted(): (readonly [Tensor, Part])[] {
    return this.pieces.map(({ tensor, part }) => [tensor, part] as const);
  }

  /** Gradients by the trained tensors, from those by the weights. */
  byParameter(gradients: ReadonlyMap<string, Tensor>): Map<string, Tensor> {
    const inOrder = this.pieces.toSorted((a, b) => a.row - b.row);
    const names = new Set(inOrder.map(({ parameter }) => parameter));
    return new Map(
      Array.from(names, (name) => {
        const own = inOrder.filter(({ parameter }) => parameter === name);
        const parts = own.map(({ tensor, factor }) => this.times(gradients.get(tensor.name)!, factor));
        return [name, this.ops.concat(parts, 0)];
      }),
    );
  }

  private times = (x: Tensor, factor: number) => (factor === 1 ? x : this.ops.scale(x, factor));

  private make(name: string, { rows: window, factor = 1 }: LinearOptions): Matrix {
    const { ops } = this;
    const parameter = this.parameters.get(name);
    const slice = this.slices.get(name);
    const [out, ...into] = this.shapes.get(name)!;
    const last = this.order.last.get(name);
    const transposed = (slice ?? last)?.axis === 'columns';
    const across = transposed ? [out] : into;
    const width = across.reduce((product, size) => product * size, 1);
    const read = () => (transposed ? turned(this.source.tensor(name), out, into[0]) : this.source.tensor(name));
    const frozen = ({ from, to }: Block) =>
      ops.weight(`${name}/${this.made.size}/${from}`, [to - from, ...across], () =>
        pickedRows(read(), order.slice(from, to), width, factor),
      );
    const trained = ({ from, to, row }: Block) => {
      const rest = across.map(() => 0);
      const whole = to - from === slice!.indices.length;
      const tensor = whole ? parameter! : ops.slice(parameter!, [row!, ...rest], [to - from, ...rest.map(() => -1)]);
      return this.times(tensor, factor);
    };
    const [from, to] = transposed ? [0, into[0]] : (window ?? [0, out]);
    const order = inOrder(from, to, last?.indices);
    const blocks = blocksOf(order, parameter ? slice!.indices : []);
    const tensor = ops.concat(
      blocks.map((block) => (block.row === undefined ? frozen(block) : trained(block))),
      0,
    );
    const tuned = blocks.filter(({ row }) => row !== undefined);
    if (tuned.length > 0) {
      const ranges = tuned.map((block): Range => [block.from, block.to]);
      const part = tuned.length === blocks.length ? 'all' : partOf(0, ranges);
      this.pieces.push({ parameter: name, row: tuned[0].row!, tensor, part, factor });
    }
    return { tensor, transposed };
  }
}

/** Place of a trained tensor in a weight. */
type TrainedPart = Pick<Slice, 'axis' | 'indices'>;

const wholeOf = (rows: number): TrainedPart => ({
  axis: 'rows',
  indices: Int32Array.from({ length: rows }, (_, i) => i),
});

/** Rows of a weight in the engine. */
interface Block {
  from: number;
  to: number;
  /** Row of the trained tensor that the block starts with; undefined for frozen rows. */
  row?: number;
}

/** Indices from `from` to `to` (exclusive), ascending, those of `last` behind the others. */
function inOrder(from: number, to: number, last?: ReadonlySet<number>): number[] {
  const all = Array.from({ length: to - from }, (_, i) => from + i);
  return last ? [...all.filter((index) => !last.has(index)), ...all.filter((index) => last.has(index))] : all;
}

/**
 * Longest blocks of frozen rows, and of trained ones that lie in a row in the trained tensor.
 *
 * @param order indices of the rows
 * @param tuned indices of the trained tensor's rows
 */
function blocksOf(order: readonly number[], tuned: ArrayLike<number>): Block[] {
  const rows = new Map(Array.from(tuned, (index, row) => [index, row]));
  const blocks: Block[] = [];
  for (const [at, index] of order.entries()) {
    const row = rows.get(index);
    const block = blocks.at(-1);
    const next = block?.row === undefined ? undefined : block.row + at - block.from;
    if (block && row === next) block.to = at + 1;
    else blocks.push({ from: at, to: at + 1, row });
  }
  return blocks;
}

/** The given rows of a matrix, times a factor; the matrix itself where that is the same. */
function pickedRows(values: Float32Array, rows: readonly number[], width: number, factor: number): Float32Array {
  const isWhole = rows.length * width === values.length && rows.every((row, i) => row === i);
  const picked = isWhole ? values : new Float32Array(rows.length * width);
  if (!isWhole) {
    for (const [i, row] of rows.entries()) picked.set(values.subarray(row * width, (row + 1) * width), i * width);
  }
  return factor === 1 ? picked : picked.map((value) => value * factor);
}

/** [rows, columns] → [columns, rows] */
function turned(values: Float32Array, rows: number, columns: number): Float32Array {
  const result = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) result[column * rows + row] = values[row * columns + column];
  }
  return result;
}
