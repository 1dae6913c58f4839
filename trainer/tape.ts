import type { Ops, Tensor } from './ops';
import { type Part, union } from './part';

/** Contribution to a gradient: a tensor, or a function that adds one to the sum of the others. */
export type Contribution = Tensor | ((sum: Tensor | undefined) => Tensor);

/** Operation of a forward pass, with the rule that derives its gradient. */
export interface RecordedOperation {
  output: Tensor;
  inputs: readonly Tensor[];
  /**
   * Part of the output that depends on the given parts of the inputs; undefined for an input that
   * depends on nothing trained. At least one is defined.
   */
  reach(parts: readonly (Part | undefined)[]): Part | undefined;
  /**
   * Gradients by the inputs.
   *
   * @param gradient by the output's part
   * @param wanted parts of the inputs; undefined for an input without a gradient
   */
  back(gradient: Tensor, part: Part, wanted: readonly (Part | undefined)[]): (Contribution | undefined)[];
}

/**
 * Reverse-mode differentiation (Griewank & Walther 2008) of recorded operations. Nodes are added to
 * the graph only for values on a path from a wanted tensor to the output, and for the part of them
 * that depends on it.
 */
export class Tape {
  private readonly operations: RecordedOperation[] = [];

  constructor(readonly ops: Ops) {}

  /** Records an operation. @returns its output */
  record(operation: RecordedOperation): Tensor {
    this.operations.push(operation);
    return operation.output;
  }

  /**
   * Gradients by tensors of the pass, from the gradient by its output.
   *
   * @param wanted part of each tensor whose gradient is wanted
   * @returns gradients of those parts, by the tensor's name
   */
  gradients(output: Tensor, byOutput: Tensor, wanted: Iterable<readonly [Tensor, Part]>): Map<string, Tensor> {
    const targets = [...wanted].map(([{ name }, part]) => [name, part] as const);
    const active = new Map<string, Part>(targets);
    for (const { output: made, inputs, reach } of this.operations) {
      const parts = inputs.map(({ name }) => active.get(name));
      const reached = parts.some((part) => part !== undefined) ? reach(parts) : undefined;
      const all = union([active.get(made.name), reached]);
      if (all) active.set(made.name, all);
    }
    const contributions = new Map<string, Contribution[]>([[output.name, [byOutput]]]);
    const sums = new Map<string, Tensor>();
    for (const { output: made, inputs, back } of this.operations.toReversed()) {
      const part = active.get(made.name);
      const gradient = this.sum(contributions.get(made.name));
      if (!part || !gradient) continue;
      sums.set(made.name, gradient);
      const parts = inputs.map(({ name }) => active.get(name));
      if (parts.every((each) => each === undefined)) continue;
      for (const [i, contribution] of back(gradient, part, parts).entries()) {
        if (!contribution || parts[i] === undefined) continue;
        const { name } = inputs[i];
        contributions.set(name, [...(contributions.get(name) ?? []), contribution]);
      }
    }
    return new Map(
      targets.map(([name]) => {
        const gradient = sums.get(name) ?? this.sum(contributions.get(name));
        if (!gradient) throw new Error(`the output does not depend on ${name}`);
        return [name, gradient];
      }),
    );
  }

  private sum(contributions: readonly Contribution[] = []): Tensor | undefined {
    let sum: Tensor | undefined;
    for (const each of contributions) {
      if (typeof each !== 'function') sum = sum ? this.ops.add(sum, each) : each;
    }
    for (const each of contributions) {
      if (typeof each === 'function') sum = each(sum);
    }
    return sum;
  }
}
