import type { Target } from '../data/label-reading';
import { tunedParts } from '../delta/slices';
import type { Tuning } from '../delta/tuning';
import type { Tune } from '../heads/tune';
import type { ModelConfig } from '../model/architecture';
import { architectureOf, runLayers } from '../model/architectures';
import type { Checkpoint } from '../model/checkpoint';
import type { Range } from '../model/operations';
import { partsOf, type RowBatch, splitAt } from './batch-parts';
import { neuronValues } from './feed-forward';
import { ownTargetValues, taskLoss } from './loss';
import { type LinearUse, TensorFlowNetwork } from './network';
import { endOf } from './network-end';
import { NetworkWeights } from './network-weights';
import { Ops, type Tensor } from './ops';
import { type PartInputs, partInputs } from './part-inputs';
import { partGroups, runParts } from './part-runs';
import type { ProgramParts } from './program';
import { type Feed, lanesOf, Session, type TensorFlow } from './session';

/** Tuning of the task head alone. */
export const TASK_HEAD_ALONE: Tuning = { slices: [] };

/** Kind of number for each head or neuron and sequence; see {@link SequenceGradients}. */
export type OfHeads = 'gates' | 'squares';

/**
 * Whole network without tuned heads and without dropout, as a graph that ends at a number for each
 * head, or neuron, and sequence. Each sequence has its own loss. Padding adds nothing, and in the
 * last layer neither do tokens that the task head does not read.
 *
 * - `gates` (Michel et al. 2019; docs/method.md): a gate (= 1) multiplies a head's output before
 *   W_O, so ∂loss/∂gate is Σ over tokens and entries of ∂loss/∂O_h ⊙ O_h. A neuron's gate
 *   multiplies what the feed-forward's second matrix reads from it.
 * - `squares` (diagonal of the empirical Fisher information with the given labels, one sequence at
 *   a time: Sung et al. 2021, arXiv 2111.09839, eq. 4): Σ g² over the parameters that tuning the
 *   head would train.
 */
export class SequenceGradients {
  private readonly session: Session;
  private readonly parameters: Tensor;
  /** Inputs and ends of the parts of a batch that run at once. */
  private readonly lanes: readonly { inputs: PartInputs; heads: readonly Tensor[] }[];
  /** True if sequences run one by one, because they share rows that the heads' slices multiply. */
  private readonly alone: boolean;

  /** Holds the base's layers until {@link SequenceGradients.close}. */
  constructor(
    tf: TensorFlow,
    private readonly parts: Omit<ProgramParts, 'tuning'>,
    ofHeads: OfHeads,
    tune: Tune,
  ) {
    const { checkpoint, layout, outputs, objective } = parts;
    const { config } = checkpoint;
    const architecture = architectureOf(config);
    const ops = new Ops(tf.precision);
    this.parameters = ops.input('parameters', 'float32', [layout.size]);
    const weights = new NetworkWeights(ops, checkpoint, TASK_HEAD_ALONE, layout.split(ops, this.parameters));
    const taskHead = endOf(config, objective);
    const lanes = Array.from({ length: parts.lanes ?? lanesOf(tf) }, (_, n) => {
      const inputs = partInputs(ops, config, outputs, n);
      const net = new TensorFlowNetwork(ops, config, weights, inputs);
      const last = runLayers(net, config, taskHead.reads, architecture.embed(net, config), 0, config.layers);
      const logits = taskHead.logits(net, config, last);
      const { byLogits } = taskLoss(ops, logits, inputs.targets, ops.scalar(1), objective);
      const gradients = (wanted: readonly Tensor[]) =>
        net.tape.gradients(
          logits,
          byLogits,
          wanted.map((tensor) => [tensor, 'all'] as const),
        );
      const heads = () => {
        if (ofHeads === 'squares') return squares(ops, checkpoint, tune, net, gradients);
        if (tune === 'neurons') return neuronGates(ops, config, net, gradients);
        return gates(ops, net.headOutputs, gradients);
      };
      return { inputs, heads: heads(), alone: ofHeads === 'squares' && net.readsDistances };
    });
    this.lanes = lanes;
    this.alone = lanes[0].alone;
    this.session = new Session(tf, ops);
  }

  /**
   * Computes the number of each sequence and head or neuron.
   *
   * @param head parameters of the task head // [P]
   * @param targets B of them
   * @returns a list per layer // [B, H] or [B, di], row by row
   */
  at(head: Float32Array, batch: RowBatch, targets: readonly Target[]): Float32Array[] {
    const { layout, outputs, objective } = this.parts;
    const labelled = { ...batch, targets: ownTargetValues(targets, outputs, objective) };
    const groups = partGroups(this.alone ? splitAt(labelled, batch.B) : partsOf(labelled), this.lanes);
    const parameters: Feed = { values: head, shape: [layout.size] };
    return runParts(this.session, groups, ({ heads }) => heads, [[this.parameters, parameters]]);
  }

  close(): void {
    this.session.close();
  }
}

type Gradients = (wanted: readonly Tensor[]) => ReadonlyMap<string, Tensor>;

/** Gradients by the gates of each layer's heads. // [B, H] each */
function gates(ops: Ops, outputs: readonly Tensor[], gradients: Gradients): Tensor[] {
  const byOutput = gradients(outputs);
  return outputs.map((heads) => ops.sum(ops.mul(byOutput.get(heads.name)!, heads), [2, 3]));
}

/** Gradients by the gates of each layer's neurons, which multiply their values. // [B, di] each */
function neuronGates(ops: Ops, config: ModelConfig, net: TensorFlowNetwork, gradients: Gradients): Tensor[] {
  const values = neuronValues(config, net.linears);
  const byValue = gradients(values);
  return values.map((value) => {
    const products = ops.mul(byValue.get(value.name)!, value); // [B·S, di]
    return ops.sum(ops.reshape(products, [net.batch, -1, config.intermediateSize]), [1]);
  });
}

/**
 * Squared gradients by the rows and columns of the tuned matrices, and by the rows' biases, that
 * each head of a layer owns. // [B, H] each
 */
function squares(ops: Ops, { config }: Checkpoint, tune: Tune, net: TensorFlowNetwork, gradients: Gradients): Tensor[] {
  const layers = Array.from({ length: config.layers }, (_, layer) =>
    Array.from({ length: config.heads }, (_, head) => tunedParts(config, tune, { layer, head })),
  );
  const tensorsOf = (layer: number) => new Set(layers[layer].flat().map(({ tensor }) => tensor));
  const usesOf = (layer: number) =>
    net.linears.filter(({ module }) => ['weight', 'bias'].some((part) => tensorsOf(layer).has(`${module}.${part}`)));
  const uses = layers.flatMap((_, layer) => usesOf(layer));
  const byOutput = gradients(uses.map(({ output }) => output));
  const shared = new Map<string, Tensor>();

  return layers.map((heads, layer) => {
    const all = usesOf(layer);
    const terms = [...new Set(all.map(useOf))].flatMap((key) => {
      const same = all.filter((use) => useOf(use) === key);
      const [{ module, rows: [first] = [0], input, output }] = same;
      return (['weight', 'bias'] as const)
        .filter((part) => tensorsOf(layer).has(`${module}.${part}`))
        .map((part) => {
          const owned = heads.map((slices) =>
            slices
              .filter(({ tensor }) => tensor === `${module}.${part}`)
              .flatMap(({ ranges }) => ranges.map(([from, to]): Range => [from - first, to - first])),
          );
          const axis = heads.flat().find(({ tensor }) => tensor === `${module}.${part}`)!.axis;
          const sums = ownSquares(ops, same, byOutput, net.batch, part === 'bias' ? part : axis); // [B, out] or [B, in]
          const width = (axis === 'rows' ? output : input).shape[1]!;
          return ops.matMul(sums, ownership(ops, shared, owned, width)); // [B, H]
        });
    });
    return terms.reduce((sum, term) => ops.add(sum, term));
  });
}

/** Key of the uses of the same weights. */
const useOf = ({ module, rows }: LinearUse) => `${module} ${rows}`;

/**
 * Squares each sequence's own gradient by the rows or columns of W, or the entries of b, in all
 * uses of them in y = factor·(x·Wᵀ + b).
 *
 * @param byOutput gradients by y // [B·S, out]
 * @returns sum of the squares of each row or column // [B, out] or [B, in]
 */
function ownSquares(
  ops: Ops,
  uses: readonly LinearUse[],
  byOutput: ReadonlyMap<string, Tensor>,
  batch: Tensor,
  part: 'rows' | 'columns' | 'bias',
): Tensor {
  const bySequence = (rows: Tensor) => ops.reshape(rows, [batch, -1, rows.shape[1]!]); // [B, S, n]
  const gradients = uses.map(({ input, output, factor = 1 }) => {
    const own = ops.reshape(byOutput.get(output.name)!, [batch, -1, output.shape[1]!]); // [B, S, out]
    const gradient = part === 'bias' ? ops.sum(own, [1]) : ops.batchMatMul(own, bySequence(input), { a: true });
    return factor === 1 ? gradient : ops.scale(gradient, factor); // [B, out], [B, out, in]
  });
  const sum = gradients.reduce((before, gradient) => ops.add(before, gradient));
  return part === 'bias' ? ops.square(sum) : ops.sum(ops.square(sum), [part === 'rows' ? 2 : 1]);
}

/** 1 where a head owns a row, else 0. // [width, H] */
function ownership(ops: Ops, shared: Map<string, Tensor>, owned: readonly (readonly Range[])[], width: number): Tensor {
  const key = `ownership/${shared.size}`;
  const content = `${width} ${owned.map((ranges) => ranges.join(';')).join('|')}`;
  const made =
    shared.get(content) ??
    ops.weight(key, [width, owned.length], () => {
      const matrix = new Float32Array(width * owned.length);
      for (const [head, ranges] of owned.entries()) {
        for (const [from, to] of ranges) {
          for (let row = Math.max(0, from); row < Math.min(width, to); row++) matrix[row * owned.length + head] = 1;
        }
      }
      return matrix;
    });
  shared.set(content, made);
  return made;
}
