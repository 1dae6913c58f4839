import * as fs from 'node:fs';
import * as path from 'node:path';
import { onnx } from 'onnx-proto';
import { writeFully, writing } from '../foundation/disk';
import { failed } from '../foundation/errors';

/** Element types that our graphs use. */
export type ElementType = 'float32' | 'float16' | 'float64' | 'int8' | 'int64' | 'bool';

const { DataLocation, DataType } = onnx.TensorProto;
const DATA_TYPE: Record<ElementType, onnx.TensorProto.DataType> = {
  float32: DataType.FLOAT,
  float16: DataType.FLOAT16,
  float64: DataType.DOUBLE,
  int8: DataType.INT8,
  int64: DataType.INT64,
  bool: DataType.BOOL,
};

/**
 * ONNX operator set: 20 is the first with Gelu. All operators are standard ones, so that other
 * tools can infer every value's type: onnxruntime's quantizer and float16 converters fail on a
 * value without one.
 */
const OPSET = 20;
/** Version of the file format for that operator set. */
const IR_VERSION = 9;
/** Name of the file that holds a model's weights where they are not in the model itself. */
const WEIGHTS_FILE = 'weights';
/** Constants from this size on, in bytes, go to that file. */
const EXTERNAL_BYTES = 1024;
/** Each begins at a multiple of this many bytes: a page, so that it can be mapped as it lies. */
const EXTERNAL_ALIGNMENT = 4096;
/** Protocol Buffers cannot hold a message of 2 GiB; a megabyte is left for what is not weights. */
export const MAX_WEIGHT_BYTES = 2 ** 31 - 2 ** 20;

/** Attribute of a node: integer, real number, text, list of integers or subgraph. */
export type Attribute =
  | { int: number }
  | { float: number }
  | { text: string }
  | { ints: number[] }
  | { graph: OnnxGraph };

export interface NodeOptions {
  attributes?: Record<string, Attribute>;
}

/**
 * A file that takes a graph's weights one after the other, so that none stays in memory: ONNX's external data. The engine
 * maps it when it loads the model, and the file may go as soon as it has.
 */
export class WeightsFile {
  private readonly file: string;
  private readonly descriptor: number;
  private size = 0;

  /** @param folder that holds the file, and nothing else of that name. */
  constructor(
    folder: string,
    private readonly name: string,
  ) {
    this.file = path.join(folder, name);
    this.descriptor = writing(this.file, () => fs.openSync(this.file, 'wx'));
  }

  /** Appends a constant's bytes. @returns where the engine finds them */
  append(bytes: Uint8Array): onnx.IStringStringEntryProto[] {
    const offset = Math.ceil(this.size / EXTERNAL_ALIGNMENT) * EXTERNAL_ALIGNMENT;
    writeFully(this.descriptor, bytes, this.file, offset);
    this.size = offset + bytes.byteLength;
    return Object.entries({ location: this.name, offset, length: bytes.byteLength }).map(([key, value]) => ({
      key,
      value: String(value),
    }));
  }

  close(): void {
    fs.closeSync(this.descriptor);
  }
}

/**
 * Builds a model whose weights are in a file in `folder` (see {@link WeightsFile}).
 *
 * @throws HifiError FAILED when there is no room for them.
 */
export function writeWeights(
  folder: string,
  build: (weights: WeightsFile) => Uint8Array,
  name = WEIGHTS_FILE,
): Uint8Array {
  const weights = new WeightsFile(folder, name);
  try {
    return build(weights);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOSPC') throw cause;
    throw failed(`${folder}: no room for the model's weights; TMPDIR names a folder that has`, cause);
  } finally {
    weights.close();
  }
}

/**
 * Builds an ONNX graph a node at a time: each call returns the name of what it made, to be passed to the next. Names are made
 * up unless given, and are unique in the graph and all its subgraphs.
 */
export class OnnxGraph {
  private readonly nodes: onnx.INodeProto[] = [];
  private readonly initializers: onnx.ITensorProto[] = [];
  private readonly inputs: onnx.IValueInfoProto[] = [];
  private readonly outputs: onnx.IValueInfoProto[] = [];
  private readonly counter: { next: number };
  private readonly weights: WeightsFile | undefined;
  private weightBytes = 0;

  /**
   * @param parent of a subgraph, which sees the parent's values by name.
   * @param weights takes the large constants; without it they are in the model.
   */
  constructor(
    readonly name: string,
    { parent, weights }: { parent?: OnnxGraph; weights?: WeightsFile } = {},
  ) {
    this.counter = parent?.counter ?? { next: 0 };
    this.weights = weights;
  }

  /** Declares an input; a text in `shape` is a size known when the graph is run. */
  input(name: string, type: ElementType, shape: (number | string)[]): string {
    this.inputs.push(valueInfo(name, type, shape));
    return name;
  }

  /** Makes the value `from` an output under the name `name`. */
  output(name: string, from: string, type: ElementType, shape: (number | string)[]): void {
    this.nodes.push({ opType: 'Identity', input: [from], output: [name], name });
    this.outputs.push(valueInfo(name, type, shape));
  }

  /**
   * A constant of the graph. Its bytes are taken as they are (little-endian): written at once where there is a file for
   * weights, else not copied until the graph is encoded.
   */
  constant(type: ElementType, shape: number[], values: ArrayBufferView, name?: string): string {
    const rawData = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    const made = name ?? this.freeName('constant');
    const tensor = { name: made, dataType: DATA_TYPE[type], dims: shape };
    if (this.weights && rawData.byteLength >= EXTERNAL_BYTES) {
      const externalData = this.weights.append(rawData);
      this.initializers.push({ ...tensor, dataLocation: DataLocation.EXTERNAL, externalData });
    } else {
      this.weightBytes += rawData.byteLength;
      this.initializers.push({ ...tensor, rawData });
    }
    return made;
  }

  /** Whole numbers as an int64 constant: axes, shapes and the like. */
  ints(values: number[]): string {
    return this.constant('int64', [values.length], BigInt64Array.from(values, BigInt));
  }

  /** A float32 scalar. */
  scalar(value: number): string {
    return this.constant('float32', [], Float32Array.of(value));
  }

  /** Adds a node of one output and returns that one's name. */
  node(opType: string, input: string[], options: NodeOptions = {}): string {
    return this.nodeOf(1, opType, input, options)[0];
  }

  /** Adds a node with several outputs and returns their names. */
  nodeOf(outputs: number, opType: string, input: string[], options: NodeOptions = {}): string[] {
    const output = Array.from({ length: outputs }, () => this.freeName(opType));
    const attribute = Object.entries(options.attributes ?? {}).map(([name, value]) => attributeProto(name, value));
    this.nodes.push({ opType, input, output, attribute, name: output[0] });
    return output;
  }

  /** Casts the value to another type. */
  cast(value: string, type: ElementType): string {
    return this.node('Cast', [value], { attributes: { to: { int: DATA_TYPE[type] } } });
  }

  /**
   * The model's bytes.
   *
   * @throws HifiError FAILED when the weights take 2 GB or more, which one ONNX file cannot hold.
   */
  toModel(): Uint8Array {
    if (this.weightBytes > MAX_WEIGHT_BYTES) {
      const gigabytes = (this.weightBytes / 2 ** 30).toFixed(2);
      throw failed(`the model's graph needs ${gigabytes} GB of weights; at most 2 GB fit one ONNX graph`);
    }
    return onnx.ModelProto.encode({
      irVersion: IR_VERSION,
      producerName: 'hifi',
      opsetImport: [{ domain: '', version: OPSET }],
      graph: this.toProto(),
    }).finish();
  }

  toProto(): onnx.IGraphProto {
    return {
      name: this.name,
      node: this.nodes,
      initializer: this.initializers,
      input: this.inputs,
      output: this.outputs,
    };
  }

  private freeName(base: string): string {
    return `${base}_${this.counter.next++}`;
  }
}

function valueInfo(name: string, type: ElementType, shape: (number | string)[]): onnx.IValueInfoProto {
  const dim = shape.map((size) => (typeof size === 'string' ? { dimParam: size } : { dimValue: size }));
  return { name, type: { tensorType: { elemType: DATA_TYPE[type], shape: { dim } } } };
}

function attributeProto(name: string, value: Attribute): onnx.IAttributeProto {
  const { AttributeType } = onnx.AttributeProto;
  if ('int' in value) return { name, type: AttributeType.INT, i: value.int };
  if ('float' in value) return { name, type: AttributeType.FLOAT, f: value.float };
  if ('text' in value) return { name, type: AttributeType.STRING, s: Buffer.from(value.text) };
  if ('ints' in value) return { name, type: AttributeType.INTS, ints: value.ints };
  return { name, type: AttributeType.GRAPH, g: value.graph.toProto() };
}
