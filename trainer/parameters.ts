import type { Ops, Tensor } from './ops';

/** One trained tensor's place in the vector of all trained numbers. */
export interface Slot {
  /** The tensor's name in the table of names, e.g. `encoder.layer.0.attention.self.query.weight`. */
  name: string;
  /** Its shape in the delta: the tuned rows alone of a tuned matrix, the whole of a task head's. */
  shape: number[];
  /** Where it starts, counted in numbers. */
  offset: number;
  size: number;
}

/**
 * All trained numbers are one flat vector, so that the optimizer is a dozen ops whatever is tuned and a checkpoint is four
 * buffers (the numbers, two moments, the best epoch's numbers). Matrices come first, biases and norms last: weight decay is for
 * the former alone.
 */
export class ParameterLayout {
  readonly slots: readonly Slot[];
  /** Numbers in all. */
  readonly size: number;
  /** How many of them, from the start, decay. */
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

  /** The vector cut into its tensors, by name. // [P] → Map of shapes */
  split(ops: Ops, flat: Tensor): Map<string, Tensor> {
    return new Map(
      this.slots.map(({ name, shape, offset, size }) => [name, ops.reshape(ops.slice(flat, [offset], [size]), shape)]),
    );
  }

  /** Tensors by name as one vector; every slot must be there. // Map of shapes → [P] */
  join(ops: Ops, tensors: ReadonlyMap<string, Tensor>): Tensor {
    const parts = this.slots.map(({ name, size }) => {
      const tensor = tensors.get(name);
      if (!tensor) throw new Error(`no gradient for ${name}`);
      return ops.reshape(tensor, [size]);
    });
    return ops.concat(parts, 0);
  }

  /** {@link split} for values on this side. */
  views(flat: Float32Array): Map<string, { shape: number[]; values: Float32Array }> {
    return new Map(
      this.slots.map(({ name, shape, offset, size }) => [
        name,
        { shape, values: flat.subarray(offset, offset + size) },
      ]),
    );
  }

  /** {@link join} for values on this side. */
  gather(values: (slot: Slot) => Float32Array): Float32Array {
    const flat = new Float32Array(this.size);
    for (const slot of this.slots) flat.set(values(slot), slot.offset);
    return flat;
  }
}
