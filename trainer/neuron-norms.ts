import type { PerHead } from '../heads/head-report';
import type { TensorPart } from '../model/architecture';
import { architectureOf } from '../model/architectures';
import type { Checkpoint } from '../model/checkpoint';

/**
 * Strategy `magnitude`: norm ‖W‖_F of each neuron's rows of the feed-forward's first matrix and
 * column of its second, without biases. // [L][di]
 */
export function neuronNorms({ config, tensor }: Pick<Checkpoint, 'config' | 'tensor'>): PerHead {
  const { neuronSlices } = architectureOf(config);
  return Array.from({ length: config.layers }, (_, layer) => {
    const squares = new Float64Array(config.intermediateSize);
    const matrices = neuronSlices(config, layer, 0).filter(({ tensor: name }) => name.endsWith('.weight'));
    for (const first of matrices) addSquares(squares, tensor(first.tensor), first, config.hiddenSize);
    return Array.from(squares, Math.sqrt);
  });
}

/**
 * Adds the squares of each neuron's part of a matrix. Neurons are numbered as their rows or
 * columns.
 *
 * @param first part of the first neuron
 * @param d length of a row, or number of the rows
 */
function addSquares(squares: Float64Array, matrix: Float32Array, { axis, ranges }: TensorPart, d: number): void {
  const neurons = squares.length;
  for (const [from] of ranges) {
    for (let neuron = 0; neuron < neurons; neuron++) {
      for (let i = 0; i < d; i++) {
        const value = axis === 'rows' ? matrix[(from + neuron) * d + i] : matrix[i * neurons + neuron];
        squares[neuron] += value * value;
      }
    }
  }
}
