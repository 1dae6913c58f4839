import type { PerHead, ReportData, ReportModel } from './head-report';

/**
 * Strategies whose scores need gradients: `hifi score` makes them, not the analysis (docs/method.md; what each is a score of: see
 * `HeadScores.scores`).
 */
export const SCORE_STRATEGIES = ['gradient', 'grad-l1', 'fisher', 'movement'] as const;
/** One of {@link SCORE_STRATEGIES}. */
export type ScoreStrategy = (typeof SCORE_STRATEGIES)[number];

export const isScoreStrategy = (strategy: string): strategy is ScoreStrategy =>
  (SCORE_STRATEGIES as readonly string[]).includes(strategy);

/** scores.json: scores of all heads that an analysis cannot tell. */
export interface HeadScores {
  /** Of this format. */
  schemaVersion: 1;
  /** Which score it is. */
  strategy: ScoreStrategy;
  /** What was scored. */
  model: ReportModel;
  /** What it was scored on; `rows`: those that the sample is drawn from. */
  data: ReportData;
  /** How it was scored. */
  options: {
    /** Sequences asked for. */
    samples: number;
    /** Tokens that a sequence was cut at. */
    maxLength: number;
  };
  /** Of the draw and of the task head. */
  seed: number;
  /** Sequences scored, n. */
  samples: number;
  /**
   * ≥ 0, g being the gradient by what tuning a head would tune, its rows of W_Q, W_K and W_V and of the biases of Q and V.
   * `gradient`: mean over the sequences of |∂loss/∂gate| (Michel et al. 2019). `grad-l1`: ‖E g‖₁, as SHiRA-Grad (Bhardwaj et al.
   * 2024) chooses single numbers. `fisher`: Σ E g², g of one sequence at a time: the empirical Fisher's diagonal (FISH Mask, Sung et
   * al. 2021). `movement`: ‖ΔW‖_F after half an epoch with all heads tuned (Ansell et al. 2022).
   */
  scores: PerHead;
  /** Their standard error, where they are means over the sequences (`gradient`, `fisher`) and n > 1; else null. */
  scoresStderr: (number | null)[][];
  /** How the task head was trained before. */
  warmUp: {
    /** Passes over the scored rows. */
    epochs: number;
    /** Steps in all. */
    steps: number;
    /** Its learning rate. */
    lr: number;
    /** Mean loss of the first pass. */
    firstLoss: number;
    /** Mean loss of the last pass. */
    lastLoss: number;
  };
  /** Where it was computed. */
  deviceUsed: 'cpu' | 'cuda';
  /** Wall time in seconds, without loading the model. */
  elapsedSeconds: number;
}
