import type { Ops, Tensor } from './ops';

/** Place of one trainable tensor in the vector of all trainable parameters. */
export interface Slot {
  /** Canonical name, such as `encoder.layer.0.attention.self.query.weight`. */
  name: string;
  /** Shape in the delta: only the tuned rows of a base matrix, all rows of a task head's. */
  shape: number[];
  /** Index of its first parameter. */
  offset: number;
  size: number;
}

/**
 * Layout of all trainable parameters as one flat vector. The optimizer is then a dozen ops,
 * whatever is tuned. A checkpoint is four buffers: the parameters, two moments, the best epoch's
 * parameters. Matrices come first, biases and norms last, because weight decay applies to matrices
 * only.
 */
export class ParameterLayout {
  readonly slots: readonly Slot[];
  /** Number of parameters. */
  readonly size: number;
  /** Number of parameters that decay, from the start. */
  readonly decayed: number;

  constructor(tensors: readonly { name: string; shape: number[] }[]) {
    const isMatrix = ({ shape }: { shape: number[] }) => shape.length > 1;
    const ordered = [...tensors.filter((t) => isMatrix(t)), ...tensors.filter((t) => !isMatrix(t))];
    const slots: Slot[] = [];
    let offset = 0;
    let decayed = 0;
    for (const { name, shape } of ordered) {
      const size = shape.reduce((product, n) => product * n, 1);
      slots.push({ name, shape, offset, size });
      offset += size;
      if (isMatrix({ shape })) decayed = offset;
    }
    this.slots = slots;
    this.size = offset;
    this.decayed = decayed;
  }

  /** Splits the vector into its tensors, by name. // [P] → Map of shapes */
  split(ops: Ops, flat: Tensor): Map<string, Tensor> {
    return new Map(
      this.slots.map(({ name, shape, offset, size }) => [name, ops.reshape(ops.slice(flat, [offset], [size]), shape)]),
    );
  }

  /** Joins tensors by name, one for every slot, into one vector. // Map of shapes → [P] */
  join(ops: Ops, tensors: ReadonlyMap<string, Tensor>): Tensor {
    const parts = this.slots.map(({ name, size }) => {
      const tensor = tensors.get(name);
      if (!tensor) throw new Error(`no gradient for ${name}`);
      return ops.reshape(tensor, [size]);
    });
    return ops.concat(parts, 0);
  }

  /** {@link split} for values outside the engine; the tensors share the vector's memory. */
  views(flat: Float32Array): Map<string, { shape: number[]; values: Float32Array }> {
    return new Map(
      this.slots.map(({ name, shape, offset, size }) => [
        name,
        { shape, values: flat.subarray(offset, offset + size) },
      ]),
    );
  }

  /** {@link join} for values outside the engine. */
  gather(values: (slot: Slot) => Float32Array): Float32Array {
    const flat = new Float32Array(this.size);
    for (const slot of this.slots) flat.set(values(slot), slot.offset);
    return flat;
  }
}
