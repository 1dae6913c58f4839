import { checkedHeads, type Mask } from '../heads/mask';
import type { Checkpoint } from '../model/checkpoint';
import type { ModelConfig } from '../model/config';
import { baseTensors, FAMILIES, type Family, type LayerRole, layerModule } from '../model/families';

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
 * Lists the slices that a mask tunes (docs/method.md), layer by layer. They are the chosen heads'
 * rows of W_Q, W_K and W_V and of the biases of Q and V; the key's bias has no gradient. `qkvo`
 * adds their columns of W_O. With `full` the rest of the base follows: embeddings, norms,
 * feed-forward layers, the biases of the attention's output.
 *
 * @throws INVALID_INPUT if the model lacks a head, or one is named twice
 */
export function tunedSlices(config: ModelConfig, mask: Pick<Mask, 'heads' | 'tune'>): Slice[] {
  const d = config.hiddenSize;
  const slices: Slice[] = [];
  for (const [layer, heads] of headsByLayer(config, mask.heads)) {
    const at = (role: LayerRole) => layerModule(FAMILIES[config.family], layer, role);
    const indices = Int32Array.from(heads.flatMap((head) => range(head * config.headDim, config.headDim)));
    const n = indices.length;
    const rows = (canonical: string, shape: number[]) => slices.push({ canonical, axis: 'rows', indices, shape });
    rows(`${at('query')}.weight`, [n, d]);
    rows(`${at('query')}.bias`, [n]);
    rows(`${at('key')}.weight`, [n, d]);
    rows(`${at('value')}.weight`, [n, d]);
    rows(`${at('value')}.bias`, [n]);
    if (mask.tune !== 'qkv') {
      slices.push({ canonical: `${at('attentionOutput')}.weight`, axis: 'columns', indices, shape: [n, d] });
    }
  }
  return mask.tune === 'full' ? [...slices, ...besideHeads(config)] : slices;
}

/** All tensors of the base, whole, that belong neither to heads nor to the pooler. */
function besideHeads(config: ModelConfig): Slice[] {
  const family: Family = FAMILIES[config.family];
  const ofHeads = Array.from({ length: config.layers }, (_, layer) => {
    const at = (role: LayerRole) => layerModule(family, layer, role);
    const projections = [at('query'), at('key'), at('value')];
    return [
      ...projections.flatMap((module) => [`${module}.weight`, `${module}.bias`]),
      `${at('attentionOutput')}.weight`,
    ];
  });
  const without = new Set([...ofHeads.flat(), `${family.modules.pooler}.weight`, `${family.modules.pooler}.bias`]);
  return baseTensors(family, config)
    .filter(({ name }) => !without.has(name))
    .map(({ name, shape }) => ({ canonical: name, axis: 'rows', indices: Int32Array.from(range(0, shape[0])), shape }));
}

/**
 * Lists the tensors of Hugging Face's task head of the model's family, which are trained whole
 * (docs/method.md). BERT: pooler and classifier.
 *
 * @param outputs number of logits per row: the number of classes, 1 for a regression
 */
export function taskHeadTensors(config: ModelConfig, outputs: number): TaskHeadTensor[] {
  const d = config.hiddenSize;
  const family: Family = FAMILIES[config.family];
  const modules = [family.taskHead.dense, family.taskHead.classifier];
  return modules.flatMap((module, i) => {
    const out = i === modules.length - 1 ? outputs : d;
    return [
      { canonical: `${module}.weight`, shape: [out, d] },
      { canonical: `${module}.bias`, shape: [out] },
    ];
  });
}

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
