import { architectureOf, runLayers } from '../model/architectures';
import type { Checkpoint } from '../model/checkpoint';
import type { RowBatch } from './batch-parts';
import { neuronValues } from './feed-forward';
import { TensorFlowNetwork, TOKEN_NUMBERS } from './network';
import { NetworkWeights } from './network-weights';
import { Ops, type Tensor } from './ops';
import { TASK_HEAD_ALONE } from './sequence-gradients';
import { Session, type TensorFlow } from './session';
import { marksOfReal } from './tokens';

/**
 * Base without a task head, as a graph that ends at the mean square of each neuron's value over a
 * sequence's real tokens. The value is what the feed-forward's second matrix reads.
 */
export class NeuronActivations {
  private readonly session: Session;
  private readonly inputs: Record<'words' | 'numbers' | 'mask', Tensor>;
  private readonly means: Tensor[];

  /** Holds the base's layers until {@link NeuronActivations.close}. */
  constructor(tf: TensorFlow, checkpoint: Checkpoint) {
    const { config } = checkpoint;
    const ops = new Ops(tf.precision);
    this.inputs = {
      words: ops.input('words', 'float32', [null, config.embeddingSize]),
      numbers: ops.input('numbers', 'float32', [null, TOKEN_NUMBERS.length]),
      mask: ops.input('mask', 'float32', [null, 1, 1, null]),
    };
    const weights = new NetworkWeights(ops, checkpoint, TASK_HEAD_ALONE, new Map());
    const net = new TensorFlowNetwork(ops, config, weights, this.inputs);
    runLayers(net, config, 'every', architectureOf(config).embed(net, config), 0, config.layers);
    const real = ops.reshape(marksOfReal(ops, this.inputs.mask), [net.batch, -1, 1]); // [B, S, 1]
    const count = ops.sum(real, [1]); // [B, 1]
    this.means = neuronValues(config, net.linears).map((values) => {
      const squares = ops.square(ops.reshape(values, [net.batch, -1, config.intermediateSize])); // [B, S, di]
      return ops.div(ops.sum(ops.mul(squares, real), [1]), count); // [B, di]
    });
    this.session = new Session(tf, ops);
  }

  /** Computes the means of each sequence. @returns a list per layer // [B, di], row by row */
  at({ rows, mask, B, S }: RowBatch): Float32Array[] {
    const perToken = (values: Float32Array) => ({ values, shape: [B * S, values.length / (B * S)] });
    const held = this.session.run(
      [
        [this.inputs.words, perToken(rows.words!)],
        [this.inputs.numbers, perToken(rows.numbers!)],
        [this.inputs.mask, { values: mask, shape: [B, 1, 1, S] }],
      ],
      this.means,
    );
    return held.map((layer) => {
      const values = layer.values();
      layer.dispose();
      return values;
    });
  }

  close(): void {
    this.session.close();
  }
}
