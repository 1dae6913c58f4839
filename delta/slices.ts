import { invalidInput } from '../foundation/errors';
import type { HeadPlace } from '../heads/head-groups';
import { checkedHeads, checkedNeurons, type HeadCounts, type Mask } from '../heads/mask';
import { rolesOf, type Tune } from '../heads/tune';
import type { HeadSlice, TaskHeadKind, TensorPart } from '../model/architecture';
import { architectureOf } from '../model/architectures';
import type { Checkpoint } from '../model/checkpoint';
import type { ModelConfig } from '../model/config';

/** Tuned part of one tensor: whole rows (output features) or whole columns (input features). */
export interface Slice {
  /** Canonical parameter name, such as `encoder.layer.0.attention.self.query.weight`. */
  canonical: string;
  axis: TensorPart['axis'];
  /**
   * Rows or columns of the whole tensor, ascending: h·dh … (h+1)·dh − 1 of each chosen head h, or
   * one of each chosen neuron.
   */
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
 * Lists the slices of a base that are tuned (docs/method.md): those of the mask's heads whose roles
 * it names, or of its neurons, layer by layer, then further parts.
 *
 * @throws INVALID_INPUT if the model lacks a head or a part, or a head is named twice
 */
export function tunedSlices(
  config: ModelConfig,
  { heads, neurons = [], tune }: TunedUnits,
  further: readonly TensorPart[] = [],
): Slice[] {
  const shapes = new Map(
    architectureOf(config)
      .tensors(config)
      .map(({ name, shape }) => [name, shape]),
  );
  const owned = [
    ...checkedHeads(heads, config).flatMap((place) => tunedParts(config, tune, place)),
    ...checkedNeurons(neurons, countsOf(config)).flatMap(({ layer, index }) =>
      architectureOf(config).neuronSlices(config, layer, index),
    ),
  ];
  const byTensor = new Map<string, TensorPart[]>();
  for (const part of [...owned, ...further]) {
    const parts = byTensor.get(part.tensor) ?? [];
    byTensor.set(part.tensor, parts);
    parts.push(part);
  }
  return [...byTensor].map(([tensor, parts]) => sliceOf(parts, shapes.get(tensor)));
}

/** Heads or neurons that are tuned. */
export type TunedUnits = Pick<Mask, 'heads' | 'neurons' | 'tune'>;

/** Number of layers, heads and neurons, as a mask's check takes them. */
export const countsOf = ({ layers, heads, intermediateSize: perLayer }: ModelConfig): HeadCounts => ({
  layers,
  heads,
  neurons: { perLayer },
});

/** Parts that a head owns of the tuned matrices and of their biases that have a gradient. */
export function tunedParts(config: ModelConfig, tune: Tune, { layer, head }: HeadPlace): HeadSlice[] {
  const roles = new Set(rolesOf(tune));
  return architectureOf(config)
    .headSlices(config, layer, head)
    .filter(({ role, inert }) => !inert && roles.has(role));
}

/** Slice of all parts of a tensor. Ranges that several heads share count once. */
function sliceOf(parts: readonly TensorPart[], shape: readonly number[] = []): Slice {
  const [{ tensor, axis }] = parts;
  const size = shape[axis === 'rows' ? 0 : 1] ?? 0;
  const ranges = parts.flatMap((part) => part.ranges);
  const outside = ranges.find(([from, to]) => from >= to || to > size);
  if (outside) throw invalidInput(`${axis} ${outside.join(' to ')} of ${tensor} cannot be tuned: it has ${size}`);
  if (parts.some((part) => part.axis !== axis)) throw invalidInput(`${tensor} is tuned both by rows and by columns`);
  const indices = union(ranges, size);
  const across = axis === 'rows' ? shape.slice(1) : [shape[0]];
  return { canonical: tensor, axis, indices, shape: [indices.length, ...across] };
}

/** Indices below `size` that are in any of the ranges, ascending. */
function union(ranges: TensorPart['ranges'], size: number): Int32Array {
  const isIn = new Uint8Array(size);
  for (const [from, to] of ranges) isIn.fill(1, from, to);
  const indices = new Int32Array(size);
  let count = 0;
  for (let index = 0; index < size; index++) if (isIn[index]) indices[count++] = index;
  return indices.slice(0, count);
}

/** Lists the tensors of which no head owns a part, whole and without the pooler. */
export function besideHeads(config: ModelConfig): TensorPart[] {
  const { headSlices, tensors } = architectureOf(config);
  const layers = Array.from({ length: config.layers }, (_, layer) => headSlices(config, layer, 0));
  const ofHeads = new Set(layers.flat().map(({ tensor }) => tensor));
  return tensors(config)
    .filter(({ name, optional }) => !optional && !ofHeads.has(name))
    .map(({ name, shape }) => ({ tensor: name, axis: 'rows', ranges: [[0, shape[0]]] }));
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
