import type { PerHead, ReportData, ReportModel } from './head-report';
import type { Strategy } from './mask';
import type { Tune } from './tune';

/**
 * Strategies for heads whose scores need gradients. `hifi score` computes them, not the analysis
 * (docs/method.md). {@link HeadScores.scores} defines each score.
 */
export const SCORE_STRATEGIES = ['gradient', 'grad-l1', 'fisher', 'movement', 'alps', 'gate', 'contrast'] as const;
/**
 * Strategies for neurons whose scores `hifi score` computes. {@link HeadScores.scores} defines
 * them.
 */
export const NEURON_SCORE_STRATEGIES = ['gradient', 'activation', 'magnitude'] as const;
/** One of {@link SCORE_STRATEGIES} or {@link NEURON_SCORE_STRATEGIES}. */
export type ScoreStrategy = (typeof SCORE_STRATEGIES)[number] | (typeof NEURON_SCORE_STRATEGIES)[number];

/** Strategies for neurons. */
export const NEURON_STRATEGIES: readonly Strategy[] = [...NEURON_SCORE_STRATEGIES, 'random', 'all', 'none'];

/** Returns true for a strategy that scores a training of all heads over half an epoch's rows. */
export const trainsHalfAnEpoch = (strategy: Strategy): boolean => strategy === 'movement' || strategy === 'alps';

/** Strategies whose scores `hifi score` computes, for heads or for neurons. */
export const scoreStrategies = (tune?: Tune): readonly ScoreStrategy[] =>
  tune === 'neurons' ? NEURON_SCORE_STRATEGIES : SCORE_STRATEGIES;

/** Returns true for a strategy whose scores `hifi score` computes. @param tune default: heads */
export const isScoreStrategy = (strategy: string, tune?: Tune): strategy is ScoreStrategy =>
  (scoreStrategies(tune) as readonly string[]).includes(strategy);

/** Content of scores.json: scores of all heads, or of all neurons with `options.tune` `neurons`. */
export interface HeadScores {
  /** Version of this format. */
  schemaVersion: 1;
  /** Strategy that uses the scores. */
  strategy: ScoreStrategy;
  /** Scored model. */
  model: ReportModel;
  /** Rows on which it was scored; the sample is drawn from `rows`. */
  data: ReportData;
  /** Options of the scoring. */
  options: {
    /** Number of requested sequences. */
    samples: number;
    /** Number of tokens to which a sequence was truncated. */
    maxLength: number;
    /** What was scored: neurons, or the training of a head's matrices. */
    tune: Tune;
  };
  /** Seed for drawing the sample and for the task head. */
  seed: number;
  /** Number of scored sequences, n. */
  samples: number;
  /**
   * Scores, ≥ 0, [L][H], or of neurons [L][di]. g is the gradient with respect to what tuning would
   * change: the head's rows and columns of the matrices of `options.tune`, and the rows' biases
   * that have a gradient.
   *
   * - `gradient`: mean over the sequences of |∂loss/∂gate| (Michel et al. 2019).
   * - `grad-l1`: ‖E g‖₁, as SHiRA-Grad (Bhardwaj et al. 2024) chooses single parameters.
   * - `fisher`: Σ E g², with g of one sequence at a time: the diagonal of the empirical Fisher
   *   information (FISH Mask, Sung et al. 2021).
   * - `movement`: ‖ΔW‖_F after half an epoch with all heads tuned (Ansell et al. 2022).
   * - `alps`: distance of the head's softmaxed weights before and after that half epoch (Chen et
   *   al. 2025).
   * - `gate`: |gate − 1|, all gates trained together under an L1 term (Yin et al. 2024).
   * - `contrast`: Σ g² of a supervised contrastive loss of all sequences (Khosla et al. 2020).
   *
   * Of neurons:
   *
   * - `gradient`: as for heads, with the gate on what the second matrix reads from the neuron.
   * - `activation`: mean square of that over the real tokens of a sequence, mean over the
   *   sequences.
   * - `magnitude`: ‖W‖_F of the neuron's rows of the first matrix and column of the second.
   */
  scores: PerHead;
  /**
   * Standard errors of scores that are means over n > 1 sequences (`gradient`, `fisher`,
   * `activation`); else null.
   */
  scoresStderr: (number | null)[][];
  /** Training of the task head before the scoring; null for scores without a loss. */
  warmUp: {
    /** Number of passes over the scored rows. */
    epochs: number;
    /** Number of steps in all. */
    steps: number;
    /** Learning rate. */
    lr: number;
    /** Mean loss of the first pass. */
    firstLoss: number;
    /** Mean loss of the last pass. */
    lastLoss: number;
  } | null;
  /** Device of the computation. */
  deviceUsed: 'cpu' | 'cuda';
  /** Wall time in seconds, without loading the model. */
  elapsedSeconds: number;
}
