import type { Target } from '../data/label-reading';
import { PROBLEMS } from '../delta/problems';
import { tunedParts } from '../delta/slices';
import type { Tuning } from '../delta/tuning';
import type { Tune } from '../heads/tune';
import type { ModelConfig } from '../model/architecture';
import { architectureOf, runLayers } from '../model/architectures';
import type { Checkpoint } from '../model/checkpoint';
import type { Range } from '../model/operations';
import { neuronValues } from './feed-forward';
import { ownTargetValues, taskLoss } from './loss';
import { type LinearUse, TensorFlowNetwork, TOKEN_NUMBERS } from './network';
import { NetworkWeights } from './network-weights';
import { Ops, type Tensor } from './ops';
import type { ProgramParts, RowBatch, RowInput } from './program';
import { Session, type TensorFlow } from './session';

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
  private readonly inputs: Record<Exclude<RowInput, 'hidden'> | 'mask' | 'parameters' | 'targets', Tensor>;
  private readonly heads: Tensor[];
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
    const ops = new Ops();
    const inputs = {
      words: ops.input('words', 'float32', [null, config.embeddingSize]),
      numbers: ops.input('numbers', 'float32', [null, TOKEN_NUMBERS.length]),
      mask: ops.input('mask', 'float32', [null, 1, 1, null]),
      parameters: ops.input('parameters', 'float32', [layout.size]),
      targets: ops.input('targets', 'float32', [null, outputs]),
    };
    const weights = new NetworkWeights(ops, checkpoint, TASK_HEAD_ALONE, layout.split(ops, inputs.parameters));
    const net = new TensorFlowNetwork(ops, config, weights, inputs);
    const taskHead = architecture.taskHead(config, PROBLEMS[objective.problem].taskHead);
    const last = runLayers(net, config, taskHead.reads, architecture.embed(net, config), 0, config.layers);
    const logits = taskHead.logits(net, config, last);
    const { byLogits } = taskLoss(ops, logits, inputs.targets, ops.scalar(1), objective);
    const gradients = (wanted: readonly Tensor[]) =>
      net.tape.gradients(
        logits,
        byLogits,
        wanted.map((tensor) => [tensor, 'all'] as const),
      );
    if (ofHeads === 'squares') this.heads = squares(ops, parts.checkpoint, tune, net, gradients);
    else if (tune === 'neurons') this.heads = neuronGates(ops, config, net, gradients);
    else this.heads = gates(ops, net.headOutputs, gradients);
    this.alone = ofHeads === 'squares' && net.readsDistances;
    this.inputs = inputs;
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
    if (!this.alone) return this.run(head, batch, targets);
    const layers = Array.from({ length: batch.B }, (_, row) => this.run(head, sequence(batch, row), [targets[row]]));
    return layers[0].map((_, layer) => Float32Array.from(layers.flatMap((each) => [...each[layer]])));
  }

  private run(head: Float32Array, { rows, mask, B, S }: RowBatch, targets: readonly Target[]): Float32Array[] {
    const { layout, outputs, objective } = this.parts;
    const wanted = ownTargetValues(targets, outputs, objective);
    const perToken = (values: Float32Array) => ({ values, shape: [B * S, values.length / (B * S)] });
    const held = this.session.run(
      [
        [this.inputs.words, perToken(rows.words!)],
        [this.inputs.numbers, perToken(rows.numbers!)],
        [this.inputs.mask, { values: mask, shape: [B, 1, 1, S] }],
        [this.inputs.parameters, { values: head, shape: [layout.size] }],
        [this.inputs.targets, { values: wanted, shape: [wanted.length / outputs, outputs] }],
      ],
      this.heads,
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

/** One sequence of a batch. */
function sequence({ rows, mask, B, S }: RowBatch, row: number): RowBatch {
  const own = (values: Float32Array) => values.subarray((values.length / B) * row, (values.length / B) * (row + 1));
  const named = Object.entries(rows).map(([name, values]) => [name, own(values)]);
  return { rows: Object.fromEntries(named), mask: own(mask), B: 1, S };
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
