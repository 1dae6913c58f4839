import type { Judgement, Target } from '../data/label-reading';
import type { ProblemType } from '../data/problem';
import type { Objective } from '../delta/objective';
import { concatenated } from '../foundation/concatenated';
import type { Ops, Tensor } from './ops';

/**
 * Objective of a network without a task head, which ends at the mean of each sequence's real tokens
 * in the last layer's output. A row's target is the gradient of the loss by that mean, so the
 * gradients are those of any loss that the caller computes. // [d]
 */
export const POOLED = { problem: 'pooled' } as const;

/**
 * Objective of a network that ends as one of {@link POOLED}: the mean squared error of the cosine
 * of two rows' means, as sentence-transformers' `CosineSimilarityLoss`. Rows 2i and 2i + 1 are a
 * pair, and the target of a pair is the wanted cosine.
 */
export const PAIRS = { problem: 'pairs' } as const;

/** Objective of a network: that of a training, {@link POOLED} or {@link PAIRS}. */
export type NetworkObjective = Omit<Objective, 'problem'> & {
  problem: ProblemType | typeof POOLED.problem | typeof PAIRS.problem;
};

/** Target of a row, or of a pair, as the loss of its objective takes it. */
export type NetworkTarget = Target | Float32Array;

/** These rows' part of the mean loss and its gradient by the logits. // [], [B, C] */
export interface Loss {
  loss: Tensor;
  byLogits: Tensor;
}

/** Loss function of a problem. Each problem's methods receive its own targets. */
interface LossFunction {
  /** As {@link taskLoss}. */
  loss(ops: Ops, logits: Tensor, targets: Tensor, count: Tensor, objective: NetworkObjective): Loss;
  /** As {@link targetValues}. */
  targets(targets: readonly NetworkTarget[], outputs: number, objective: NetworkObjective): Float32Array;
  /** As {@link lossCount}. */
  count(targets: readonly NetworkTarget[], objective: NetworkObjective): number;
  /** As {@link targetShape}. Default: a row has a target, with a number per logit. */
  shape?: TargetShape;
}

/** Shape of targets: consecutive rows that have a target together, and numbers of a target. */
export interface TargetShape {
  rows: number;
  numbers: number;
}

const rowCount = ({ length }: ArrayLike<unknown>) => length;

/**
 * Number of tokens with a label, at least 1. A row has none if no token stands for any of its
 * words.
 */
const labelledTokens = (targets: readonly Int32Array[]) =>
  Math.max(
    1,
    targets.reduce((sum, tags) => sum + tags.filter((tag) => tag >= 0).length, 0),
  );

/**
 * Loss function by problem (docs/method.md). `PROBLEMS` of delta/ has the plain ones in float64.
 */
const LOSSES: Readonly<Record<NetworkObjective['problem'], LossFunction>> = {
  /**
   * Cross-entropy Σ_c t_c · −log p_c. A target is w_c·((1 − ε)·1[c = class] + ε/C), and the mean is
   * weighted by the rows' classes, as in PyTorch's `cross_entropy`.
   */
  'single-label': {
    loss: crossEntropy,
    targets(targets: readonly number[], outputs, { weights, smoothing = 0 }) {
      const values = new Float32Array(targets.length * outputs).fill(smoothing / outputs);
      for (const [row, target] of targets.entries()) values[row * outputs + target] += 1 - smoothing;
      return weights ? values.map((value, i) => value * weights[i % outputs]) : values;
    },
    count: (targets: readonly number[], { weights }) =>
      weights ? targets.reduce((sum, target) => sum + weights[target], 0) : targets.length,
  },
  /** Mean binary cross-entropy over the labels; a label's positive rows have its weight. */
  'multi-label': {
    loss: binaryCrossEntropy,
    targets(targets: readonly Uint8Array[], outputs, { smoothing = 0 }) {
      const values = new Float32Array(targets.length * outputs);
      for (const [row, target] of targets.entries()) values.set(target, row * outputs);
      return smoothed(values, smoothing);
    },
    count: rowCount,
  },
  /** Mean squared error of the one logit. */
  regression: {
    loss(ops, logits, targets, count) {
      const error = ops.sub(logits, targets); // [B, 1]
      return {
        loss: ops.div(ops.sum(ops.square(error), [0, 1]), count),
        byLogits: ops.div(ops.scale(error, 2), count),
      };
    },
    targets: (targets: readonly number[]) => Float32Array.from(targets),
    count: rowCount,
  },
  /**
   * Cross-entropy of each word's first token; the mean is over these tokens. Targets are class
   * indices of the tokens of a row, −1 for a token without a label. Other tokens and padding have
   * targets of 0.
   */
  tokens: {
    loss: crossEntropy,
    targets(targets: readonly Int32Array[], outputs, { smoothing = 0 }) {
      const longest = targets.reduce((most, { length }) => Math.max(most, length), 0);
      const values = new Float32Array(targets.length * longest * outputs);
      for (const [row, tags] of targets.entries()) {
        for (const [token, tag] of tags.entries()) {
          if (tag < 0) continue;
          const at = (row * longest + token) * outputs;
          values.fill(smoothing / outputs, at, at + outputs);
          values[at + tag] += 1 - smoothing;
        }
      }
      return values;
    },
    count: labelledTokens,
  },
  /** Binary cross-entropy of the one logit. */
  relevance: {
    loss: binaryCrossEntropy,
    targets: (targets: readonly Judgement[], _, { smoothing = 0 }) =>
      smoothed(
        Float32Array.from(targets, ({ relevance }) => relevance),
        smoothing,
      ),
    count: rowCount,
  },
  /** Product with the given gradient, of which that is the gradient. */
  pooled: {
    loss: (ops, means, targets) => ({ loss: ops.sum(ops.mul(means, targets), [0, 1]), byLogits: targets }),
    targets: (targets: readonly Float32Array[]) => concatenated(targets),
    count: rowCount,
  },
  /** Mean squared error of the pairs' cosines. */
  pairs: {
    loss: cosineError,
    targets: (targets: readonly number[]) => Float32Array.from(targets),
    count: rowCount,
    shape: { rows: 2, numbers: 1 },
  },
};

/**
 * Cross-entropy Σ_c t_c · −log p_c with any sum of a row's targets, its weight. Its gradient is
 * (Σ_c t_c)·p − t.
 */
function crossEntropy(ops: Ops, logits: Tensor, targets: Tensor, count: Tensor): Loss {
  const sums = ops.sum(targets, [1], true); // [B, 1]
  const divisors = ops.add(sums, ops.sub(ops.scalar(1), ops.sign(sums))); // 1 for a row of weight 0
  const [losses, byLogits] = ops.crossEntropy(logits, ops.div(targets, divisors)); // [B], [B, C]
  const weighted = ops.mul(losses, ops.reshape(sums, [-1])); // [B]
  return {
    loss: ops.div(ops.sum(weighted, [0]), count),
    byLogits: ops.div(ops.mul(byLogits, sums), count),
  };
}

/** Moves targets of 0 … 1 towards a half. */
const smoothed = (values: Float32Array, smoothing: number) =>
  smoothing === 0 ? values : values.map((value) => value * (1 - smoothing) + smoothing / 2);

/**
 * Binary cross-entropy w·t·softplus(−x) + (1 − t)·softplus(x), the mean over the labels, as
 * PyTorch's `binary_cross_entropy_with_logits` with `pos_weight` w. Its gradient is σ(x)·(w·t + 1 −
 * t) − w·t.
 */
function binaryCrossEntropy(
  ops: Ops,
  logits: Tensor,
  targets: Tensor,
  count: Tensor,
  { weights }: NetworkObjective,
): Loss {
  const labels = logits.shape[1]!;
  const cells = ops.scale(count, labels); // []
  const positive = weights
    ? ops.mul(
        targets,
        ops.weight('positiveWeights', [labels], () => Float32Array.from(weights)),
      )
    : targets; // [B, C]
  const negative = ops.sub(ops.scalar(1), targets); // [B, C]
  const losses = ops.add(
    ops.mul(positive, ops.softplus(ops.scale(logits, -1))),
    ops.mul(negative, ops.softplus(logits)),
  );
  const byLogits = ops.sub(ops.mul(ops.sigmoid(logits), ops.add(positive, negative)), positive);
  return { loss: ops.div(ops.sum(losses, [0, 1]), cells), byLogits: ops.div(byLogits, cells) };
}

/**
 * Squared error (c − t)² of the cosine c = u·v / (‖u‖·‖v‖) of each pair. Its gradient by u is
 * 2·(c − t)·(v / (‖u‖·‖v‖) − c·u / ‖u‖²).
 */
function cosineError(ops: Ops, means: Tensor, targets: Tensor, count: Tensor): Loss {
  const d = means.shape[1]!;
  const pairs = ops.reshape(means, [-1, 2, d]); // [B/2, 2, d]
  const [u, v] = [0, 1].map((side) => ops.slice(pairs, [0, side, 0], [-1, 1, d])); // [B/2, 1, d]
  const dot = (a: Tensor, b: Tensor) => ops.sum(ops.mul(a, b), [2], true); // [B/2, 1, 1]
  const [uu, vv] = [dot(u, u), dot(v, v)];
  const norms = ops.mul(ops.sqrt(uu), ops.sqrt(vv));
  const cosine = ops.div(dot(u, v), norms);
  const error = ops.sub(cosine, ops.reshape(targets, [-1, 1, 1]));
  const slope = ops.div(ops.scale(error, 2), count);
  const by = (own: Tensor, square: Tensor, other: Tensor) =>
    ops.mul(slope, ops.sub(ops.div(other, norms), ops.div(ops.mul(cosine, own), square)));
  return {
    loss: ops.div(ops.sum(ops.square(error), [0, 1, 2]), count),
    byLogits: ops.reshape(ops.concat([by(u, uu, v), by(v, vv, u)], 1), [-1, d]), // [B, d]
  };
}

/**
 * Part of the mean loss for some rows of a batch, and its gradient by the logits.
 *
 * @param logits // [B, C]
 * @param targets from {@link targetValues} // [B, C]
 * @param count divisor of the mean, {@link lossCount} of the whole batch // []
 */
export const taskLoss = (ops: Ops, logits: Tensor, targets: Tensor, count: Tensor, objective: NetworkObjective): Loss =>
  LOSSES[objective.problem].loss(ops, logits, targets, count, objective);

/**
 * Targets of the logits.
 *
 * @param targets B of them
 * @returns [B, C]; of tokens [B·S, C] with S of the longest row
 */
export const targetValues = (
  targets: readonly NetworkTarget[],
  outputs: number,
  objective: NetworkObjective,
): Float32Array => LOSSES[objective.problem].targets(targets, outputs, objective);

/**
 * Targets of rows that each have their own loss, the mean over the row's labelled tokens.
 *
 * @returns as {@link targetValues}
 */
export function ownTargetValues(
  targets: readonly NetworkTarget[],
  outputs: number,
  objective: NetworkObjective,
): Float32Array {
  const values = targetValues(targets, outputs, objective);
  if (objective.problem !== 'tokens') return values;
  const width = values.length / targets.length;
  const counts = targets.map((target) => lossCount([target], objective));
  return values.map((value, i) => value / counts[Math.floor(i / width)]);
}

/** Shape of the targets. @param outputs number of logits per row */
export const targetShape = ({ problem }: NetworkObjective, outputs: number): TargetShape =>
  LOSSES[problem].shape ?? { rows: 1, numbers: outputs };

/** Divisor of a batch's mean loss: its rows or pairs, or the sum of the rows' weights. */
export const lossCount = (targets: readonly NetworkTarget[], objective: NetworkObjective): number =>
  LOSSES[objective.problem].count(targets, objective);
