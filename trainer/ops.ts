import type { Tensor } from '@tensorflow/tfjs-node';

/** The TensorFlow module, as `infra/tensorflow.ts` loads it. */
export type TensorFlow = typeof import('@tensorflow/tfjs-node');

/** A type, flag or number that an op is compiled with. */
interface Attribute {
  name: string;
  type: number;
  value: unknown;
}

/** What the node backend offers beyond tfjs's own interface: any TensorFlow op by its name. */
interface NodeBackend {
  binding: Record<'TF_FLOAT' | 'TF_INT32' | 'TF_ATTR_TYPE' | 'TF_ATTR_BOOL' | 'TF_ATTR_INT', number>;
  isUsingGpuDevice: boolean;
  executeSingleOutput(name: string, attributes: Attribute[], inputs: Tensor[]): Tensor;
  executeMultipleOutputs(name: string, attributes: Attribute[], inputs: Tensor[], outputs: number): Tensor[];
}

/**
 * The TensorFlow ops that training needs, called by name: no tape, no checks, a third of the cost of `tf.*` an op.
 * Every result belongs to the innermost `tidy` that is open.
 */
export class Ops {
  private readonly backend: NodeBackend;
  private readonly float: Attribute;
  private readonly floatInt: Attribute[];

  constructor(readonly tf: TensorFlow) {
    this.backend = tf.backend() as unknown as NodeBackend;
    this.float = this.type('T', 'TF_FLOAT');
    this.floatInt = [this.float, this.type('Tidx', 'TF_INT32')];
  }

  /** Where the ops run. */
  get device(): 'cpu' | 'cuda' {
    return this.backend.isUsingGpuDevice ? 'cuda' : 'cpu';
  }

  /**
   * Runs `work` and frees every tensor made in it but those in what it returns (arrays and plain objects are looked into).
   * `tf.tidy` does the same but would visit each number of a typed array.
   */
  tidy<T>(work: () => T): T {
    const engine = this.tf.engine();
    engine.startScope();
    let kept: Tensor[] = [];
    try {
      const result = work();
      kept = this.tensorsIn(result);
      return result;
    } finally {
      engine.endScope(kept);
    }
  }

  /** Frees the tensors in an array or plain object; one that is free already stays so. */
  dispose(container: unknown): void {
    for (const tensor of this.tensorsIn(container)) tensor.dispose();
  }

  private tensorsIn(container: unknown): Tensor[] {
    if (container instanceof this.tf.Tensor) return [container];
    if (typeof container !== 'object' || container === null || ArrayBuffer.isView(container)) return [];
    return Object.values(container).flatMap((part) => this.tensorsIn(part));
  }

  private type(name: string, type: 'TF_FLOAT' | 'TF_INT32'): Attribute {
    return { name, type: this.backend.binding.TF_ATTR_TYPE, value: this.backend.binding[type] };
  }

  private flag(name: string, value: boolean): Attribute {
    return { name, type: this.backend.binding.TF_ATTR_BOOL, value };
  }

  private run(name: string, attributes: Attribute[], inputs: Tensor[]): Tensor {
    return this.backend.executeSingleOutput(name, attributes, inputs);
  }

  private indices(values: number[]): Tensor {
    return this.tf.tensor1d(values, 'int32');
  }

  /** Float32 values as a tensor; the array is not copied and must not change until the tensor was used. */
  floats(values: Float32Array, shape: number[]): Tensor {
    return this.tf.tensor(values, shape, 'float32');
  }

  scalar(value: number): Tensor {
    return this.tf.scalar(value, 'float32');
  }

  /** `a·b` of two matrices, either one transposed first. */
  matMul(a: Tensor, b: Tensor, transpose: { a?: boolean; b?: boolean } = {}): Tensor {
    const { a: transposeA = false, b: transposeB = false } = transpose;
    return this.run(
      'MatMul',
      [this.float, this.flag('transpose_a', transposeA), this.flag('transpose_b', transposeB)],
      [a, b],
    );
  }

  /** `a·b` over the last two axes, either one transposed first; the leading axes are equal. */
  batchMatMul(a: Tensor, b: Tensor, transpose: { a?: boolean; b?: boolean } = {}): Tensor {
    const { a: adjA = false, b: adjB = false } = transpose;
    return this.run('BatchMatMulV2', [this.float, this.flag('adj_x', adjA), this.flag('adj_y', adjB)], [a, b]);
  }

  add = (a: Tensor, b: Tensor) => this.run('AddV2', [this.float], [a, b]);
  sub = (a: Tensor, b: Tensor) => this.run('Sub', [this.float], [a, b]);
  mul = (a: Tensor, b: Tensor) => this.run('Mul', [this.float], [a, b]);
  div = (a: Tensor, b: Tensor) => this.run('RealDiv', [this.float], [a, b]);
  square = (x: Tensor) => this.run('Square', [this.float], [x]);
  sqrt = (x: Tensor) => this.run('Sqrt', [this.float], [x]);
  rsqrt = (x: Tensor) => this.run('Rsqrt', [this.float], [x]);
  exp = (x: Tensor) => this.run('Exp', [this.float], [x]);
  erf = (x: Tensor) => this.run('Erf', [this.float], [x]);
  tanh = (x: Tensor) => this.run('Tanh', [this.float], [x]);
  sigmoid = (x: Tensor) => this.run('Sigmoid', [this.float], [x]);
  relu = (x: Tensor) => this.run('Relu', [this.float], [x]);
  floor = (x: Tensor) => this.run('Floor', [this.float], [x]);
  sign = (x: Tensor) => this.run('Sign', [this.float], [x]);

  /** `x·factor`. */
  scale = (x: Tensor, factor: number) => this.mul(x, this.scalar(factor));

  /** `x + bias`, the bias along the last axis. */
  biasAdd = (x: Tensor, bias: Tensor) => this.run('BiasAdd', [this.float], [x, bias]);

  /** Softmax over the last axis. */
  softmax = (x: Tensor) => this.run('Softmax', [this.float], [x]);

  sum(x: Tensor, axes: number[], keepDims = false): Tensor {
    return this.run('Sum', [...this.floatInt, this.flag('keep_dims', keepDims)], [x, this.indices(axes)]);
  }

  /** Mean over the last axis, which stays with size 1. */
  meanOfLast(x: Tensor): Tensor {
    return this.run('Mean', [...this.floatInt, this.flag('keep_dims', true)], [x, this.indices([x.shape.length - 1])]);
  }

  reshape(x: Tensor, shape: number[]): Tensor {
    return this.run('Reshape', [this.float, this.type('Tshape', 'TF_INT32')], [x, this.indices(shape)]);
  }

  transpose(x: Tensor, permutation: number[]): Tensor {
    return this.run('Transpose', [this.float, this.type('Tperm', 'TF_INT32')], [x, this.indices(permutation)]);
  }

  /** The block of `size` from `begin`; a size of −1 goes to the end of its axis. */
  slice(x: Tensor, begin: number[], size: number[]): Tensor {
    return this.run(
      'Slice',
      [this.float, this.type('Index', 'TF_INT32')],
      [x, this.indices(begin), this.indices(size)],
    );
  }

  concat(parts: Tensor[], axis: number): Tensor {
    if (parts.length === 1) return parts[0];
    const count = { name: 'N', type: this.backend.binding.TF_ATTR_INT, value: parts.length };
    return this.run('ConcatV2', [count, ...this.floatInt], [...parts, this.tf.scalar(axis, 'int32')]);
  }

  /** Zeros before and after `x`, an axis at a time. */
  pad(x: Tensor, amounts: [before: number, after: number][]): Tensor {
    const paddings = this.tf.tensor2d(amounts, undefined, 'int32');
    return this.run('Pad', [this.float, this.type('Tpaddings', 'TF_INT32')], [x, paddings]);
  }

  /** Uniform numbers in [0, 1), a pure function of the two 32-bit halves of the key (Philox, counter based). */
  uniform(shape: number[], key: [number, number]): Tensor {
    return this.run(
      'StatelessRandomUniform',
      [this.type('T', 'TF_INT32'), this.type('dtype', 'TF_FLOAT'), this.type('Tseed', 'TF_INT32')],
      [this.indices(shape), this.indices([key[0] | 0, key[1] | 0])],
    );
  }

  /** Cross-entropy of each row against a distribution, and its gradient by the logits: `[B]`, `[B, C]`. */
  crossEntropy(logits: Tensor, labels: Tensor): [loss: Tensor, gradient: Tensor] {
    const [loss, gradient] = this.backend.executeMultipleOutputs(
      'SoftmaxCrossEntropyWithLogits',
      [this.float],
      [logits, labels],
      2,
    );
    return [loss, gradient];
  }
}
