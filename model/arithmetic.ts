import { invalidInput } from '../foundation/errors';
import type { OnnxGraph } from './onnx';
import { firstTooLarge, roundTo } from './rounding';
import { transposed } from './transposed';

/**
 * Arithmetic of a graph: the storage of an encoder's weights and the computation of its matrix
 * products. Values between operators are float32. Operands and results of matrix products have the
 * arithmetic's own type; `narrow` and `wide` convert. All other computation (residual sums, layer
 * norms, softmax, activations) is float32 in every arithmetic.
 */
export interface Arithmetic {
  /** Converts float32 to the type of a matrix product's operand. */
  narrow(x: string): string;
  /** Converts the type of a matrix product's result to float32. */
  wide(x: string): string;
  /**
   * Computes x·Wᵀ + b, or x·Wᵀ without a bias, narrow [..., into] → [..., out], to be passed to
   * `wide`.
   */
  dense(x: string, layer: DenseLayer): string;
  /** Computes several dense layers of one input; absent if that costs as much as each by itself. */
  denseTogether?(x: string, layers: readonly DenseLayer[]): string[];
  /**
   * Picks rows of a table, as float32. `pick` takes them from a constant whose first axis is the
   * table's rows.
   */
  rows(table: Table, pick: PickRows): string;
  /**
   * Number of sets D of a dense layer's weights, int64 [1]. Distances, which all sequences share,
   * then have rows for each set: [R, into] → [D, R, out]. Absent for one set.
   */
  readonly sets?: string;
}

/** Picks rows of a constant table. */
export type PickRows = (table: string) => string;

/** Weights of a dense layer. */
export interface DenseLayer {
  /** Canonical name of the module, from which the constants take their names. */
  module: string;
  out: number;
  into: number;
  /** [out, into] */
  weight: Float32Array;
  /** [out] */
  bias?: Float32Array;
  /** Whether the rows of its input are distances, which all sequences share. */
  distances?: boolean;
}

/** Embedding table. */
export interface Table {
  module: string;
  rows: number;
  width: number;
  /** [rows, width] */
  weight: Float32Array;
}

const same = (x: string) => x;

/** Arithmetic with everything in float32. */
export function float32Arithmetic(graph: OnnxGraph): Arithmetic {
  return {
    narrow: same,
    wide: same,
    dense(x, { module, out, into, weight, bias }) {
      const turned = graph.constant('float32', [into, out], transposed(weight, out, into), `${module}.weight`);
      const product = graph.node('MatMul', [x, turned]);
      return bias ? graph.node('Add', [product, graph.constant('float32', [out], bias, `${module}.bias`)]) : product;
    },
    rows: ({ module, rows, width, weight }, pick) =>
      pick(graph.constant('float32', [rows, width], weight, `${module}.weight`)),
  };
}

/**
 * Arithmetic with weights and matrix products in float16, as PyTorch's autocast has it. float16
 * ends at 65504, so a softmax's mask and a layer norm's sums stay float32.
 *
 * @throws HifiError INVALID_INPUT, when a layer is written, for a weight above 65504
 */
export function float16Arithmetic(graph: OnnxGraph): Arithmetic {
  const narrow = memo((x) => graph.cast(x, 'float16'));
  const constant = (shape: number[], values: Float32Array, name: string) => {
    const halves = roundTo('F16', values);
    const at = firstTooLarge('F16', halves);
    if (at >= 0) throw invalidInput(`${name} holds ${values[at]}, too large for float16: leave out the type fp16`);
    return graph.constant('float16', shape, halves, name);
  };
  return {
    narrow,
    wide: (x) => graph.cast(x, 'float32'),
    dense(x, { module, out, into, weight, bias }) {
      const turned = constant([into, out], transposed(weight, out, into), `${module}.weight`);
      const product = graph.node('MatMul', [x, turned]);
      return bias ? graph.node('Add', [product, constant([out], bias, `${module}.bias`)]) : product;
    },
    rows: ({ module, rows, width, weight }, pick) =>
      graph.cast(pick(constant([rows, width], weight, `${module}.weight`)), 'float32'),
  };
}

/**
 * Largest integer weight of a dense layer: 7 bits, as with onnxruntime's `reduce_range`. Processors
 * without VNNI add two products of an unsigned and a signed byte in 16 bits, which overflows from
 * 65 on. WebAssembly's relaxed SIMD requires 7 bits. Within 7 bits every processor computes the
 * same.
 */
const DENSE_LEVELS = 64;
/** Largest integer of an embedding table, which no matrix product reads. */
const TABLE_LEVELS = 127;

/**
 * Arithmetic of dynamic quantization to 8 bits. Weights are integers with a float32 scale for each
 * output of a dense layer and each row of a table, symmetric about 0. A dense layer's input is
 * quantized at run time, with one scale for the whole batch. Products of two activations stay
 * float32.
 */
export function q8Arithmetic(graph: OnnxGraph): Arithmetic {
  const quantized = memo((x) => graph.nodeOf(3, 'DynamicQuantizeLinear', [x]));
  return {
    narrow: same,
    wide: same,
    dense(x, { module, out, into, weight, bias }) {
      const [bytes, scale, zeroPoint] = quantized(x); // uint8 [..., into], float32 [], uint8 []
      const { levels, scales } = quantize(weight, out, into, DENSE_LEVELS);
      const turned = graph.constant('int8', [into, out], transposed(levels, out, into), `${module}.weight_quantized`);
      const outputScales = graph.constant('float32', [out], scales, `${module}.weight_scale`);
      const sums = graph.node('MatMulInteger', [bytes, turned, zeroPoint]); // int32 [..., out]
      const scaled = graph.node('Mul', [graph.cast(sums, 'float32'), graph.node('Mul', [scale, outputScales])]);
      return bias ? graph.node('Add', [scaled, graph.constant('float32', [out], bias, `${module}.bias`)]) : scaled;
    },
    rows({ module, rows, width, weight }, pick) {
      const { levels, scales } = quantize(weight, rows, width, TABLE_LEVELS);
      const bytes = pick(graph.constant('int8', [rows, width], levels, `${module}.weight_quantized`));
      const rowScales = pick(graph.constant('float32', [rows, 1], scales, `${module}.weight_scale`));
      return graph.node('Mul', [graph.cast(bytes, 'float32'), rowScales]);
    },
  };
}

/**
 * Quantizes each row of [rows, columns] to integers −most … most with a scale of its own; a row of
 * zeros has the scale 1.
 */
function quantize(matrix: Float32Array, rows: number, columns: number, most: number) {
  const levels = new Int8Array(matrix.length);
  const scales = new Float32Array(rows);
  for (let row = 0; row < rows; row++) {
    const [from, to] = [row * columns, (row + 1) * columns];
    let largest = 0;
    for (let i = from; i < to; i++) largest = Math.max(largest, Math.abs(matrix[i]));
    const scale = largest / most || 1;
    scales[row] = scale;
    for (let i = from; i < to; i++) levels[i] = Math.round(matrix[i] / scale);
  }
  return { levels, scales };
}

/** Caches a function of a value's name. */
function memo<Result>(make: (x: string) => Result): (x: string) => Result {
  const made = new Map<string, Result>();
  return (x) => {
    const found = made.get(x) ?? make(x);
    made.set(x, found);
    return found;
  };
}
