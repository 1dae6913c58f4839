import { checkedHeads, type Mask } from '../heads/mask';
import type { TaskHeadKind } from '../model/architecture';
import { architectureOf } from '../model/architectures';
import type { Checkpoint } from '../model/checkpoint';
import type { ModelConfig } from '../model/config';
import type { Range } from '../model/operations';

/**
 * Tuned part of one matrix or bias: whole rows (output features) or whole columns (input features).
 * In full fine-tuning it has all rows of any tensor.
 */
export interface Slice {
  /** Canonical parameter name, such as `encoder.layer.0.attention.self.query.weight`. */
  canonical: string;
  axis: 'rows' | 'columns';
  /** Rows or columns of the whole matrix, ascending: h·dh … (h+1)·dh − 1 of each chosen head h. */
  indices: Int32Array;
  /**
   * Shape in the delta: [indices, width] with columns transposed, or [indices] of a bias or norm.
   */
  shape: number[];
}

/** Whole tensor of the task head. */
export interface TaskHeadTensor {
  canonical: string;
  shape: number[];
}

/**
 * Lists the slices that a mask tunes (docs/method.md), layer by layer: those of the chosen heads
 * whose roles it names. With `full` everything else that has a gradient follows, whole.
 *
 * @throws INVALID_INPUT if the model lacks a head, or one is named twice
 */
export function tunedSlices(config: ModelConfig, mask: Pick<Mask, 'heads' | 'tune'>): Slice[] {
  const { headSlices, tensors } = architectureOf(config);
  const shapes = new Map(tensors(config).map(({ name, shape }) => [name, shape]));
  const slices = headsByLayer(config, mask.heads).flatMap(([layer, heads]) => {
    const owned = heads.flatMap((head) => headSlices(config, layer, head));
    const tuned = owned.filter(({ role, inert }) => !inert && (mask.tune !== 'qkv' || role !== 'o'));
    return [...new Set(tuned.map(({ tensor }) => tensor))].map((tensor) => {
      const parts = tuned.filter((part) => part.tensor === tensor);
      const ranges = parts.flatMap((part) => part.ranges);
      return sliceOf(tensor, shapes.get(tensor)!, parts[0].axis, ranges);
    });
  });
  return mask.tune === 'full' ? [...slices, ...besideHeads(config)] : slices;
}

/** Slice of ranges of one axis. Ranges that several heads share count once. */
function sliceOf(canonical: string, shape: readonly number[], axis: Slice['axis'], ranges: readonly Range[]): Slice {
  const indices = new Set(ranges.flatMap(([from, to]) => range(from, to - from)));
  const across = axis === 'rows' ? shape.slice(1) : [shape[0]];
  const ascending = Int32Array.from(indices).sort();
  return { canonical, axis, indices: ascending, shape: [ascending.length, ...across] };
}

/** Lists the tensors of which no head owns a part, whole and without the pooler. */
function besideHeads(config: ModelConfig): Slice[] {
  const { headSlices, tensors } = architectureOf(config);
  const ofHeads = new Set<string>();
  for (let layer = 0; layer < config.layers; layer++) {
    for (const { tensor } of headSlices(config, layer, 0)) ofHeads.add(tensor);
  }
  return tensors(config)
    .filter(({ name, optional }) => !optional && !ofHeads.has(name))
    .map(({ name, shape }) => sliceOf(name, shape, 'rows', [[0, shape[0]]]));
}

/**
 * Lists the tensors of Hugging Face's task head of the model's family, which are trained whole
 * (docs/method.md). BERT: pooler and classifier.
 *
 * @param outputs number of logits per sequence or token: the number of classes, 1 for a regression
 */
export const taskHeadTensors = (
  config: ModelConfig,
  outputs: number,
  kind: TaskHeadKind = 'sequence',
): TaskHeadTensor[] =>
  architectureOf(config)
    .taskHead(config, kind)
    .tensors(config, outputs)
    .map(({ name, shape }) => ({ canonical: name, shape }));

/** Shape of a base tensor in its file. The tensor must exist. */
export const storedShape = ({ weights, storedName }: Checkpoint, canonical: string): readonly number[] =>
  weights.entry(storedName(canonical) as string).shape;

/** Rows or columns of a matrix, or entries of a bias. */
export type Selection = Pick<Slice, 'axis' | 'indices'>;

/** Numbers of a tensor, or their bytes in any number type. */
type Values = Float32Array | Uint8Array;

/**
 * Copies the values of a slice in the order of the delta: rows as stored, columns transposed.
 *
 * @param shape shape of the whole tensor
 */
export function takeSlice<V extends Values>(whole: V, shape: readonly number[], selection: Selection): V {
  const across = selection.axis === 'rows' ? shape[0] : shape[1];
  const part = whole.slice(0, (whole.length / across) * selection.indices.length) as V;
  eachRun(whole.length, shape, selection, (inPart, inWhole, length) => {
    part.set(whole.subarray(inWhole, inWhole + length), inPart);
  });
  return part;
}

/** Puts the values of {@link takeSlice} back into `whole` and returns `whole`. */
export function putSlice<V extends Values>(whole: V, shape: readonly number[], selection: Selection, part: V): V {
  eachRun(whole.length, shape, selection, (inPart, inWhole, length) => {
    whole.set(part.subarray(inPart, inPart + length), inWhole);
  });
  return whole;
}

/**
 * Visits the values of a slice in the part's order: row by row, or value by value down each column.
 */
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

/** Number of values in tensors of these shapes. */
export function countNumbers(tensors: Iterable<{ shape: number[] }>): number {
  let sum = 0;
  for (const { shape } of tensors) sum += shape.reduce((product, size) => product * size, 1);
  return sum;
}

/** Chosen heads of each layer that has any; layers and heads ascending. */
function headsByLayer(config: ModelConfig, heads: Mask['heads']): [layer: number, heads: number[]][] {
  const layers = new Map<number, number[]>();
  for (const { layer, head } of checkedHeads(heads, config)) layers.set(layer, [...(layers.get(layer) ?? []), head]);
  return [...layers];
}

const range = (start: number, count: number) => Array.from({ length: count }, (_, i) => start + i);
