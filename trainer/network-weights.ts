import type { Slice } from '../delta/slices';
import type { ModelConfig } from '../model/architecture';
import { architectureOf } from '../model/architectures';
import type { LinearOptions, Range } from '../model/operations';
import type { Matrix } from './linear';
import type { Ops, Tensor } from './ops';
import { type Part, partOf, rangesOf } from './part';

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
 * trained rows between them. A matrix of which columns are trained is stored transposed, so that
 * every trained piece consists of rows.
 */
export class NetworkWeights {
  private readonly made = new Map<string, Matrix>();
  private readonly pieces: TrainedPiece[] = [];
  private readonly shapes: ReadonlyMap<string, readonly number[]>;
  private readonly slices: ReadonlyMap<string, Slice>;

  /**
   * @param slices tuned parts of the base
   * @param parameters trained tensors by canonical name, those of the task head among them
   */
  constructor(
    private readonly ops: Ops,
    private readonly source: { config: ModelConfig; tensor(canonical: string): Float32Array },
    slices: readonly Slice[],
    private readonly parameters: ReadonlyMap<string, Tensor>,
  ) {
    const { config } = source;
    const { tensors, taskHead } = architectureOf(config);
    const all = [...tensors(config), ...taskHead.tensors(config, 1)]; // the task head is always trained whole
    this.shapes = new Map(all.map(({ name, shape }) => [name, shape]));
    this.slices = new Map(slices.map((slice) => [slice.canonical, slice]));
  }

  has = (name: string) => this.shapes.has(name);

  isTrained = (name: string) => this.parameters.has(name);

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
    if (parameter && !slice) {
      this.pieces.push({ parameter: name, row: 0, tensor: parameter, part: 'all', factor: 1 });
      return { tensor: parameter, transposed: false };
    }
    const [out, ...into] = this.shapes.get(name)!;
    const transposed = slice?.axis === 'columns';
    const [from, to] = transposed ? [0, into[0]] : (window ?? [0, out]);
    const across = transposed ? [out] : into;
    const width = across.reduce((product, size) => product * size, 1);
    let numbers: Float32Array | undefined; // read when a session opens
    const read = () => {
      const stored = this.source.tensor(name);
      const whole = transposed ? turned(stored, out, into[0]) : stored;
      return factor === 1 ? whole : whole.map((value) => value * factor);
    };
    const frozen = ([first, last]: Range) =>
      ops.weight(`${name}/${this.made.size}/${first}`, [last - first, ...across], () => {
        numbers ??= read();
        return numbers.subarray(first * width, last * width);
      });
    const trained = ([first, last]: Range) => {
      const whole = last - first === slice!.indices.length;
      const at = slice!.indices.indexOf(first); // indices of a range are neighbours
      const rest = across.map(() => 0);
      return whole ? parameter! : ops.slice(parameter!, [at, ...rest], [last - first, ...rest.map(() => -1)]);
    };
    const tuned = parameter ? rangesOf(slice!.indices.filter((index) => index >= from && index < to)) : [];
    const parts: Tensor[] = [];
    let next = from;
    for (const range of tuned) {
      if (next < range[0]) parts.push(frozen([next, range[0]]));
      parts.push(this.times(trained(range), factor));
      next = range[1];
    }
    if (next < to) parts.push(frozen([next, to]));
    const tensor = ops.concat(parts, 0);
    if (tuned.length > 0) {
      const row = slice!.indices.indexOf(tuned[0][0]);
      const ranges = tuned.map(([first, last]): Range => [first - from, last - from]);
      const part = ranges[0][0] === 0 && ranges[0][1] === to - from ? 'all' : partOf(0, ranges);
      this.pieces.push({ parameter: name, row, tensor, part, factor });
    }
    return { tensor, transposed };
  }
}

/** [rows, columns] → [columns, rows] */
function turned(values: Float32Array, rows: number, columns: number): Float32Array {
  const result = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) result[column * rows + row] = values[row * columns + column];
  }
  return result;
}
