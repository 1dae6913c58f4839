import type { PerHead, ReportData, ReportModel } from './report';

/** Strategies whose scores need gradients: `hifi score` makes them, not the analysis (METHOD §3). */
export const SCORE_STRATEGIES = ['gradient'] as const;
export type ScoreStrategy = (typeof SCORE_STRATEGIES)[number];

export const isScoreStrategy = (strategy: string): strategy is ScoreStrategy =>
  (SCORE_STRATEGIES as readonly string[]).includes(strategy);

/** scores.json: scores of all heads that an analysis cannot tell. */
export interface HeadScores {
  schemaVersion: 1;
  strategy: ScoreStrategy;
  model: ReportModel;
  /** `rows`: those that the sample is drawn from. */
  data: ReportData;
  options: { samples: number; maxLength: number };
  seed: number;
  /** Sequences scored, n. */
  samples: number;
  /** Mean over the sequences of |∂loss/∂gate|, ≥ 0. */
  scores: PerHead;
  /** Its standard error; null where n = 1. */
  scoresStderr: (number | null)[][];
  /** How the task head was trained before; mean losses of the first and the last pass. */
  warmUp: { epochs: number; steps: number; lr: number; firstLoss: number; lastLoss: number };
  deviceUsed: 'cpu' | 'cuda';
  /** Wall time without loading the model. */
  elapsedSeconds: number;
}
