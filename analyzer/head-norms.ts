import type { PerHead } from '../heads/head-report';
import { FAMILIES, type Family, layerModule } from '../model/families';
import type { GraphSource } from '../model/graph';

/**
 * Computes ‖[W_Q; W_K; W_V]_h‖_F of each head, [L][H]: the control `magnitude` (docs/method.md).
 */
export function headNorms(source: GraphSource): PerHead {
  const { layers, heads, headDim, hiddenSize, family } = source.config;
  const rows: Family = FAMILIES[family];
  const perHead = headDim * hiddenSize; // weights of one head in one matrix
  return Array.from({ length: layers }, (_, layer) => {
    const squares = new Float64Array(heads);
    for (const role of ['query', 'key', 'value'] as const) {
      const weight = source.tensor(`${layerModule(rows, layer, role)}.weight`); // [H·dh, d]
      for (let head = 0; head < heads; head++) {
        let sum = 0;
        for (let i = head * perHead; i < (head + 1) * perHead; i++) sum += weight[i] * weight[i];
        squares[head] += sum;
      }
    }
    return Array.from(squares, Math.sqrt);
  });
}
