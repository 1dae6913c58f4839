import type { PerHead, ReportData, ReportModel } from './head-report';
import type { Tune } from './tune';

/**
 * Strategies whose scores need gradients. `hifi score` computes them, not the analysis
 * (docs/method.md). {@link HeadScores.scores} defines each score.
 */
export const SCORE_STRATEGIES = ['gradient', 'grad-l1', 'fisher', 'movement'] as const;
/** One of {@link SCORE_STRATEGIES}. */
export type ScoreStrategy = (typeof SCORE_STRATEGIES)[number];

/** Returns true for a strategy whose scores need gradients. */
export const isScoreStrategy = (strategy: string): strategy is ScoreStrategy =>
  (SCORE_STRATEGIES as readonly string[]).includes(strategy);

/** Content of scores.json: scores of all heads that need gradients. */
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
    /** Matrices whose training was scored. `gradient` does not depend on them. */
    tune: Tune;
  };
  /** Seed for drawing the sample and for the task head. */
  seed: number;
  /** Number of scored sequences, n. */
  samples: number;
  /**
   * Scores, ≥ 0. g is the gradient with respect to what tuning would change: the head's rows and
   * columns of the matrices of `options.tune`, and the rows' biases that have a gradient.
   *
   * - `gradient`: mean over the sequences of |∂loss/∂gate| (Michel et al. 2019).
   * - `grad-l1`: ‖E g‖₁, as SHiRA-Grad (Bhardwaj et al. 2024) chooses single parameters.
   * - `fisher`: Σ E g², with g of one sequence at a time: the diagonal of the empirical Fisher
   *   information (FISH Mask, Sung et al. 2021).
   * - `movement`: ‖ΔW‖_F after half an epoch with all heads tuned (Ansell et al. 2022).
   */
  scores: PerHead;
  /**
   * Standard errors of scores that are means over n > 1 sequences (`gradient`, `fisher`); else
   * null.
   */
  scoresStderr: (number | null)[][];
  /** Training of the task head before the scoring. */
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
  };
  /** Device of the computation. */
  deviceUsed: 'cpu' | 'cuda';
  /** Wall time in seconds, without loading the model. */
  elapsedSeconds: number;
}
