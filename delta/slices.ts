import { invalidInput } from '../foundation/errors';
import type { Mask } from '../heads/mask';
import { architectureOf } from '../model/architectures';
import type { Checkpoint } from '../model/checkpoint';
import type { ModelConfig } from '../model/config';
import type { Range } from '../model/operations';

/**
 * The tuned part of one matrix or bias: whole rows (output features) or whole columns (input features). In full fine-tuning all
 * rows of any tensor.
 */
export interface Slice {
  /** Canonical parameter name, e.g. `encoder.layer.0.attention.self.query.weight`. */
  canonical: string;
  axis: 'rows' | 'columns';
  /** Rows or columns of the whole matrix, ascending: of heads h·dh … (h+1)·dh − 1 of each chosen head h. */
  indices: Int32Array;
  /** As the delta holds it: [indices, width], columns transposed, or [indices] for a bias or norm. */
  shape: number[];
}

/** A whole tensor of the task head. */
export interface TaskHeadTensor {
  canonical: string;
  shape: number[];
}

/**
 * Tensors' parts that a mask tunes (docs/method.md): those of the chosen heads whose roles it names,
 * by layer. With `full` follows everything else that has a gradient, whole.
 *
 * @throws INVALID_INPUT for a head that the model does not have, or one named twice.
 */
export function tunedSlices(config: ModelConfig, mask: Pick<Mask, 'heads' | 'tune'>): Slice[] {
  const { headSlices, tensors } = architectureOf(config);
  const shapes = new Map(tensors(config).map(({ name, shape }) => [name, shape]));
  const slices = headsByLayer(config, mask.heads).flatMap(([layer, heads]) => {
    const owned = heads.flatMap((head) => headSlices(config, layer, head));
    const tuned = owned.filter(({ role }) => mask.tune !== 'qkv' || role !== 'o');
    return [...new Set(tuned.map(({ tensor }) => tensor))].map((tensor) => {
      const parts = tuned.filter((part) => part.tensor === tensor);
      const ranges = parts.flatMap((part) => part.ranges);
      return sliceOf(tensor, shapes.get(tensor)!, parts[0].axis, ranges);
    });
  });
  return mask.tune === 'full' ? [...slices, ...besideHeads(config)] : slices;
}

/** Ranges of one axis; those that several heads share count once. */
function sliceOf(canonical: string, shape: readonly number[], axis: Slice['axis'], ranges: readonly Range[]): Slice {
  const indices = new Set(ranges.flatMap(([from, to]) => range(from, to - from)));
  const across = axis === 'rows' ? shape.slice(1) : [shape[0]];
  const ascending = Int32Array.from(indices).sort();
  return { canonical, axis, indices: ascending, shape: [ascending.length, ...across] };
}

/** Every tensor of the base, whole, that has a gradient and of which no head owns a part; without the pooler. */
function besideHeads(config: ModelConfig): Slice[] {
  const { headSlices, tensors } = architectureOf(config);
  const ofHeads = new Set<string>();
  for (let layer = 0; layer < config.layers; layer++) {
    for (const { tensor } of headSlices(config, layer, 0)) ofHeads.add(tensor);
  }
  return tensors(config)
    .filter(({ name, optional, inert }) => !optional && !inert && !ofHeads.has(name))
    .map(({ name, shape }) => sliceOf(name, shape, 'rows', [[0, shape[0]]]));
}

/**
 * The tensors of Hugging Face's own task head of the model's family, trained whole (docs/method.md). BERT: pooler and classifier.
 *
 * @param outputs logits a row: the number of classes, 1 for a regression.
 */
export const taskHeadTensors = (config: ModelConfig, outputs: number): TaskHeadTensor[] =>
  architectureOf(config)
    .taskHead.tensors(config, outputs)
    .map(({ name, shape }) => ({ canonical: name, shape }));

/** The shape of a base tensor that there is, as its file has it. */
export const storedShape = ({ weights, storedName }: Checkpoint, canonical: string): readonly number[] =>
  weights.entry(storedName(canonical) as string).shape;

/** Rows or columns of a matrix, or entries of a bias. */
export type Selection = Pick<Slice, 'axis' | 'indices'>;

/** A tensor's numbers as they are, or their bytes, whatever the type of the numbers. */
type Values = Float32Array | Uint8Array;

/**
 * A slice's values, in the order of the delta: rows as they are, columns transposed.
 *
 * @param shape of the whole tensor
 */
export function takeSlice<V extends Values>(whole: V, shape: readonly number[], selection: Selection): V {
  const across = selection.axis === 'rows' ? shape[0] : shape[1];
  const part = whole.slice(0, (whole.length / across) * selection.indices.length) as V;
  eachRun(whole.length, shape, selection, (inPart, inWhole, length) => {
    part.set(whole.subarray(inWhole, inWhole + length), inPart);
  });
  return part;
}

/** Puts what {@link takeSlice} takes into its place in `whole`, and returns that. */
export function putSlice<V extends Values>(whole: V, shape: readonly number[], selection: Selection, part: V): V {
  eachRun(whole.length, shape, selection, (inPart, inWhole, length) => {
    whole.set(part.subarray(inPart, inPart + length), inWhole);
  });
  return whole;
}

/** Where the values of a slice lie, in the part's order: row by row, or number by number down each column. */
function eachRun(
  length: number,
  [rows, columns = 1]: readonly number[],
  { axis, indices }: Selection,
  visit: (inPart: number, inWhole: number, length: number) => void,
): void {
  const row = length / rows;
  const number = row / columns;
  indices.forEach((index, i) => {
    if (axis === 'rows') visit(i * row, index * row, row);
    else for (let r = 0; r < rows; r++) visit((i * rows + r) * number, r * row + index * number, number);
  });
}

/** How many numbers tensors of these shapes hold. */
export function countNumbers(tensors: Iterable<{ shape: number[] }>): number {
  let sum = 0;
  for (const { shape } of tensors) sum += shape.reduce((product, size) => product * size, 1);
  return sum;
}

/** Chosen heads of each layer that has any, both ascending. */
function headsByLayer(config: ModelConfig, heads: Mask['heads']): [layer: number, heads: number[]][] {
  const layers: number[][] = Array.from({ length: config.layers }, () => []);
  for (const { layer, head } of heads) {
    if (!isIndex(layer, config.layers) || !isIndex(head, config.heads)) {
      throw invalidInput(
        `mask: there is no layer ${layer}, head ${head}: the model has layers 0 to ${config.layers - 1} of heads 0 to ${config.heads - 1}`,
      );
    }
    if (layers[layer].includes(head)) throw invalidInput(`mask: layer ${layer}, head ${head} is named twice`);
    layers[layer].push(head);
  }
  return layers.flatMap((chosen, layer): [number, number[]][] =>
    chosen.length > 0 ? [[layer, chosen.sort((a, b) => a - b)]] : [],
  );
}

const isIndex = (value: number, size: number) => Number.isInteger(value) && value >= 0 && value < size;

const range = (start: number, count: number) => Array.from({ length: count }, (_, i) => start + i);
