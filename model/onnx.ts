import * as fs from 'node:fs';
import * as path from 'node:path';
import { onnx } from 'onnx-proto';
import { writeFully, writing } from '../foundation/disk';
import { failed } from '../foundation/errors';

/** Element types of the graphs. */
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
/** Name of the file with a model's weights, if they are not in the model itself. */
const WEIGHTS_FILE = 'weights';
/** Least size in bytes of a constant that is written to that file. */
const EXTERNAL_BYTES = 1024;
/**
 * Each constant begins at a multiple of this many bytes, a page, so that it can be memory-mapped.
 */
const EXTERNAL_ALIGNMENT = 4096;
/**
 * Largest size of weights in a model. Protocol Buffers limits a message to 2 GiB; 1 MiB is for the
 * rest.
 */
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
 * File to which a graph's weights are appended, so that none stays in memory: ONNX's external data.
 * The engine maps it when it loads the model; the file may be removed after that.
 */
export class WeightsFile {
  private readonly file: string;
  private readonly descriptor: number;
  private size = 0;

  /** @param folder folder of the file, without another of that name */
  constructor(
    folder: string,
    private readonly name: string,
  ) {
    this.file = path.join(folder, name);
    this.descriptor = writing(this.file, () => fs.openSync(this.file, 'wx'));
  }

  /** Appends a constant's bytes. @returns their place, for the engine */
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
 * Builds a model with its weights in a file in `folder` (see {@link WeightsFile}).
 *
 * @throws HifiError FAILED if there is no room for them
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
    throw failed(`${folder}: no room for the model's weights; set TMPDIR to a folder with more room`, cause);
  } finally {
    weights.close();
  }
}

/**
 * Builds an ONNX graph node by node. Each call returns the name of its result, for use as an input
 * of the next. Names are generated unless given, and are unique in the graph and all its subgraphs.
 */
export class OnnxGraph {
  private readonly nodes: onnx.INodeProto[] = [];
  private readonly initializers: onnx.ITensorProto[] = [];
  private readonly madeInts = new Map<string, string>();
  private readonly inputs: onnx.IValueInfoProto[] = [];
  private readonly outputs: onnx.IValueInfoProto[] = [];
  private readonly counter: { next: number };
  private readonly weights: WeightsFile | undefined;
  private readonly given: ReadonlyMap<string, (number | string)[]>;
  private weightBytes = 0;

  /**
   * @param parent graph of a subgraph, which can use the parent's values by name
   * @param weights file for the large constants; without it they are in the model
   * @param inputs shapes of the constants that are inputs instead, by name
   */
  constructor(
    readonly name: string,
    {
      parent,
      weights,
      inputs = new Map(),
    }: { parent?: OnnxGraph; weights?: WeightsFile; inputs?: ReadonlyMap<string, (number | string)[]> } = {},
  ) {
    this.counter = parent?.counter ?? { next: 0 };
    this.weights = weights;
    this.given = inputs;
  }

  /**
   * Declares an input; once for each name. A text in `shape` is a size that is known when the graph
   * runs.
   */
  input(name: string, type: ElementType, shape: (number | string)[]): string {
    if (!this.isInput(name)) this.inputs.push(valueInfo(name, type, shape));
    return name;
  }

  /** Whether a name is that of an input. */
  isInput = (name: string) => this.inputs.some((each) => each.name === name);

  /** Declares the value `from` as an output with the name `name`. */
  output(name: string, from: string, type: ElementType, shape: (number | string)[]): void {
    this.nodes.push({ opType: 'Identity', input: [from], output: [name], name });
    this.outputs.push(valueInfo(name, type, shape));
  }

  /**
   * Adds a constant with little-endian bytes. They are written at once if there is a file for
   * weights, else copied when the graph is encoded. A name stands for one constant: its second use
   * adds nothing.
   */
  constant(type: ElementType, shape: number[], values: ArrayBufferView, name?: string): string {
    if (name !== undefined && [...this.initializers, ...this.inputs].some((each) => each.name === name)) return name;
    const given = name === undefined ? undefined : this.given.get(name);
    if (name !== undefined && given) return this.input(name, type, given);
    const rawData = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    const unique = name ?? this.freeName('constant');
    const tensor = { name: unique, dataType: DATA_TYPE[type], dims: shape };
    if (this.weights && rawData.byteLength >= EXTERNAL_BYTES) {
      const externalData = this.weights.append(rawData);
      this.initializers.push({ ...tensor, dataLocation: DataLocation.EXTERNAL, externalData });
    } else {
      this.weightBytes += rawData.byteLength;
      this.initializers.push({ ...tensor, rawData });
    }
    return unique;
  }

  /** Adds an int64 constant, such as axes or a shape; once for equal values. */
  ints(values: number[]): string {
    const key = values.join();
    const made = this.madeInts.get(key) ?? this.constant('int64', [values.length], BigInt64Array.from(values, BigInt));
    this.madeInts.set(key, made);
    return made;
  }

  /** Adds a float32 scalar. */
  scalar(value: number): string {
    return this.constant('float32', [], Float32Array.of(value));
  }

  /** Adds a node with one output and returns the output's name. */
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

  /** Adds a cast of a value to another type. */
  cast(value: string, type: ElementType): string {
    return this.node('Cast', [value], { attributes: { to: { int: DATA_TYPE[type] } } });
  }

  /**
   * Encodes the model.
   *
   * @throws HifiError FAILED if the weights take 2 GB or more, which one ONNX file cannot hold
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
