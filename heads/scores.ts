import type { PerHead, ReportData, ReportModel } from './head-report';
import type { Strategy } from './mask';

/**
 * Strategies whose scores need gradients. `hifi score` computes them, not the analysis
 * (docs/method.md). {@link HeadScores.scores} defines each score.
 */
export const SCORE_STRATEGIES = ['gradient', 'grad-l1', 'fisher', 'movement', 'alps', 'gate', 'contrast'] as const;
/** One of {@link SCORE_STRATEGIES}. */
export type ScoreStrategy = (typeof SCORE_STRATEGIES)[number];

/** Returns true for a strategy whose scores need gradients. */
export const isScoreStrategy = (strategy: string): strategy is ScoreStrategy =>
  (SCORE_STRATEGIES as readonly string[]).includes(strategy);

/** Returns true for a strategy that scores a training of all heads over half an epoch's rows. */
export const trainsHalfAnEpoch = (strategy: Strategy): boolean => strategy === 'movement' || strategy === 'alps';

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
  };
  /** Seed for drawing the sample and for the task head. */
  seed: number;
  /** Number of scored sequences, n. */
  samples: number;
  /**
   * Scores, ≥ 0. g is the gradient with respect to what tuning would change: the head's rows of
   * W_Q, W_K and W_V and of the biases of Q and V.
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
   */
  scores: PerHead;
  /**
   * Standard errors of scores that are means over n > 1 sequences (`gradient`, `fisher`); else
   * null.
   */
  scoresStderr: (number | null)[][];
  /** Training of the task head before the scoring; null for `contrast`, which has no task head. */
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
