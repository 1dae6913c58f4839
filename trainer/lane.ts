import type { ModelConfig, TaskHead } from '../model/architecture';
import { architectureOf, runLayers } from '../model/architectures';
import { Dropout } from './dropout';
import { type NetworkObjective, targetShape, taskLoss } from './loss';
import { TensorFlowNetwork } from './network';
import type { NetworkWeights } from './network-weights';
import type { Ops, Tensor } from './ops';
import type { ParameterLayout } from './parameters';
import { type PartInputs, partInputs } from './part-inputs';

/** Parts of a network that its lanes share. */
export interface LaneParts {
  ops: Ops;
  config: ModelConfig;
  weights: NetworkWeights;
  layout: ParameterLayout;
  taskHead: TaskHead;
  /** Lowest layer with a tuned slice; −1 if embeddings are tuned. */
  lowest: number;
  /** Number of logits per row. */
  outputs: number;
  objective: NetworkObjective;
  /** Divisor of the whole batch's mean loss. // [] */
  count: Tensor;
  /** As of {@link TensorFlowNetwork}, in evaluation. */
  gates?: Tensor;
}

/**
 * Network for one of the parts of a batch that the engine runs at once: its own inputs and ends,
 * over the weights of all lanes.
 */
export class Lane {
  readonly inputs: PartInputs;
  readonly dropoutKey: Tensor; // int32 [1]
  /** Output of the frozen layers; absent if no layer is frozen. */
  readonly frozen?: Tensor;
  /** Logits as in evaluation. // [B, C], or [B·S, C] of tokens */
  readonly logits: Tensor;
  /** The part's share of the batch's mean loss, as in evaluation and with dropout. // [] */
  readonly evaluatedLoss: Tensor;
  readonly loss: Tensor;
  /** The part's share of the gradient. // [P] */
  readonly gradient: Tensor;

  constructor(
    { ops, config, weights, layout, taskHead, lowest, outputs, objective, count, gates }: LaneParts,
    n: number,
  ) {
    const architecture = architectureOf(config);
    this.inputs = partInputs(ops, config, targetShape(objective, outputs).numbers, n);
    this.dropoutKey = ops.input(`dropoutKey/${n}`, 'int32', [1]);
    const network = (dropout?: Dropout, off?: Tensor) =>
      new TensorFlowNetwork(ops, config, weights, this.inputs, dropout, off);
    const from = Math.max(0, lowest);
    const evaluated = network();
    const trained = network(new Dropout(this.dropoutKey));
    const embedded = lowest < 0 ? undefined : architecture.embed(evaluated, config);
    this.frozen = embedded && from > 0 ? runLayers(evaluated, config, taskHead.reads, embedded, 0, from) : undefined;
    /** Logits; frozen embeddings run as in evaluation. */
    const through = (net: TensorFlowNetwork) => {
      const x = this.frozen ? this.inputs.hidden : (embedded ?? architecture.embed(net, config));
      return taskHead.logits(net, config, runLayers(net, config, taskHead.reads, x, from, config.layers));
    };
    const lossOf = (logits: Tensor) => taskLoss(ops, logits, this.inputs.targets, count, objective);
    this.logits = through(network(undefined, gates));
    this.evaluatedLoss = lossOf(this.logits).loss;
    const prediction = through(trained);
    const { loss, byLogits } = lossOf(prediction);
    this.loss = loss;
    const gradients = trained.tape.gradients(prediction, byLogits, weights.wanted);
    this.gradient = layout.join(ops, weights.byParameter(gradients));
  }
}
