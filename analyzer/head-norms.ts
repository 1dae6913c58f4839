import type { PerHead } from '../heads/head-report';
import { architectureOf } from '../model/architectures';
import type { GraphSource } from '../model/graph-source';
import type { Range } from '../model/operations';

/**
 * Computes ‖[W_Q; W_K; W_V]_h‖_F of each head, [L][H]: the control `magnitude` (docs/method.md).
 */
export function headNorms({ config, tensor }: GraphSource): PerHead {
  const { layers, heads } = config;
  const { headSlices } = architectureOf(config);
  return Array.from({ length: layers }, (_, layer) => {
    const tensors = new Map<string, Float32Array>(); // a layer's own, read once
    const read = (name: string) => {
      const found = tensors.get(name) ?? tensor(name);
      tensors.set(name, found);
      return found;
    };
    return Array.from({ length: heads }, (_, head) => {
      const matrices = headSlices(config, layer, head).filter(
        ({ tensor: name, role }) => role !== 'o' && name.endsWith('.weight'),
      );
      let sum = 0;
      for (const { tensor: name, ranges } of matrices) sum += squaresOf(read(name), ranges, config.hiddenSize);
      return Math.sqrt(sum);
    });
  });
}

/** Sum of the squares of some rows of a matrix, [rows, width]. */
function squaresOf(weight: Float32Array, ranges: readonly Range[], width: number): number {
  let sum = 0;
  for (const [from, to] of ranges) {
    for (let i = from * width; i < to * width; i++) sum += weight[i] * weight[i];
  }
  return sum;
}
