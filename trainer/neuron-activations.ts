import { architectureOf, runLayers } from '../model/architectures';
import type { Checkpoint } from '../model/checkpoint';
import { partsOf, type RowBatch } from './batch-parts';
import { neuronValues } from './feed-forward';
import { TensorFlowNetwork } from './network';
import { NetworkWeights } from './network-weights';
import { Ops, type Tensor } from './ops';
import { type PartInputs, partInputs } from './part-inputs';
import { partGroups, runParts } from './part-runs';
import { TASK_HEAD_ALONE } from './sequence-gradients';
import { lanesOf, Session, type TensorFlow } from './session';
import { marksOfReal } from './tokens';

/**
 * Base without a task head, as a graph that ends at the mean square of each neuron's value over a
 * sequence's real tokens. The value is what the feed-forward's second matrix reads.
 */
export class NeuronActivations {
  private readonly session: Session;
  /** Inputs and ends of the parts of a batch that run at once. */
  private readonly lanes: readonly { inputs: PartInputs; means: readonly Tensor[] }[];

  /** Holds the base's layers until {@link NeuronActivations.close}. */
  constructor(tf: TensorFlow, checkpoint: Checkpoint) {
    const { config } = checkpoint;
    const ops = new Ops(tf.precision);
    const weights = new NetworkWeights(ops, checkpoint, TASK_HEAD_ALONE, new Map());
    this.lanes = Array.from({ length: lanesOf(tf) }, (_, n) => {
      const inputs = partInputs(ops, config, 1, n);
      const net = new TensorFlowNetwork(ops, config, weights, inputs);
      runLayers(net, config, 'every', architectureOf(config).embed(net, config), 0, config.layers);
      const real = ops.reshape(marksOfReal(ops, inputs.mask), [net.batch, -1, 1]); // [B, S, 1]
      const count = ops.sum(real, [1]); // [B, 1]
      const means = neuronValues(config, net.linears).map((values) => {
        const squares = ops.square(ops.reshape(values, [net.batch, -1, config.intermediateSize])); // [B, S, di]
        return ops.div(ops.sum(ops.mul(squares, real), [1]), count); // [B, di]
      });
      return { inputs, means };
    });
    this.session = new Session(tf, ops);
  }

  /** Computes the means of each sequence. @returns a list per layer // [B, di], row by row */
  at = (batch: RowBatch): Float32Array[] =>
    runParts(this.session, partGroups(partsOf(batch), this.lanes), ({ means }) => means);

  close(): void {
    this.session.close();
  }
}
