import * as engine from '../analyzer/analysis-engine';
import { HifiError } from '../foundation/errors';
import type { HeadReport } from '../heads/head-report';
import type { Mask } from '../heads/mask';
import { type Ranking, type RankingOptions, rankHeads } from '../heads/ranking';
import type { HeadScores } from '../heads/scores';
import { type SelectionOptions, selectHeads } from '../heads/select';
import * as trainer from '../trainer/training-engine';
import { type AnalyzeEvent, told } from './events';
import { modelFolder } from './model';
import type { AnalyzeRequest, ScoreRequest } from './requests';
import { type Run, type RunOptions, runOf } from './run';
import { withRows } from './text-rows';

/**
 * Measures all heads of a model on a sample of rows and ranks them (HiFi §3): per head the singular values, the activation and the
 * PageRank as matrices [layers][heads], per pair of heads the correlation. In a process of its own, which ends with it; {@link Analyzer}
 * has one that stays.
 *
 * Stages: `download` (a model by name, on first use), `load`, `encode`, `measure`, `rank`.
 *
 * @param request the model, the rows and how they are measured
 * @param options how it is run
 * @returns heads.json, as `hifi analyze` writes it
 * @throws HifiError INVALID_INPUT for a bad model, rows or option; CANCELLED by `signal`, within a batch; ENGINE_LOST where the process
 *   was killed
 */
export const analyze = (request: AnalyzeRequest, options?: RunOptions): Run<AnalyzeEvent, HeadReport> =>
  runOf((signal) => analysisBy(engine.analyze, request, signal), options);

/** How an {@link Analyzer}'s process is looked after. */
export interface AnalyzerOptions {
  /** The process is ended when it had nothing to do for so many milliseconds, which frees its memory. Default: it stays. */
  idleMs?: number;
  /**
   * Niceness above this process, 0 … 19, so that this process answers while the engine computes.
   * Default: 0.
   */
  nice?: number;
}

/**
 * Analyses in one process that stays, for a service: it keeps its last model, so that the next analysis of it with the same device,
 * threads and `exact` starts at once. One runs at a time, others wait.
 */
export class Analyzer {
  private readonly engine: engine.AnalyzerEngine;

  /**
   * Starts nothing yet.
   *
   * @param options how its process is looked after
   */
  constructor(options: AnalyzerOptions = {}) {
    this.engine = new engine.AnalyzerEngine(options);
  }

  /**
   * As the function {@link analyze}.
   *
   * @param request the model, the rows and how they are measured
   * @param options how it is run
   * @returns heads.json
   * @throws HifiError as there; ENGINE_LOST, too, where the analyzer was closed
   */
  analyze(request: AnalyzeRequest, options?: RunOptions): Run<AnalyzeEvent, HeadReport> {
    const analysis: typeof engine.analyze = (whole, signal) => this.engine.analyze(whole, signal);
    return runOf((signal) => analysisBy(analysis, request, signal), options);
  }

  /** Ends the process, and an analysis that runs; there are none after that. It is gone when this settles. */
  close(): Promise<void> {
    return this.engine.close();
  }
}

const analysisBy = (
  analysis: typeof engine.analyze,
  { model, data, options }: AnalyzeRequest,
  signal?: AbortSignal,
): AsyncGenerator<AnalyzeEvent, HeadReport> =>
  withRows({ data }, async function* (rows) {
    const folder = yield* modelFolder(model, signal);
    return yield* told(analysis({ model: folder, data: rows.data, options }, signal));
  });

/**
 * Scores all heads by a strategy that needs gradients, after a short training of the task head: what `select` takes in the place of an
 * analysis for `gradient`, `grad-l1`, `fisher` and `movement`.
 *
 * Stages: `download`, `warm-up`, `prefix`, `score`.
 *
 * @param request the model, the labelled rows and which score
 * @param options how it is run
 * @returns scores.json, as `hifi score` writes it
 * @throws HifiError INVALID_INPUT for a bad model, rows, labels or option; FAILED where a loss or a score is no finite number; CANCELLED
 *   by `signal`, within a batch; ENGINE_LOST where the process was killed
 */
export const score = (request: ScoreRequest, options?: RunOptions): Run<AnalyzeEvent, HeadScores> =>
  runOf((signal) => {
    const { train, strategy } = request;
    return withRows({ train }, async function* (rows) {
      const model = yield* modelFolder(request.model, signal);
      const scoring = { model, train: rows.train, strategy, options: request.options ?? {} };
      return yield* told(trainer.scoreHeads(scoring, signal));
    });
  }, options);

/**
 * Ranks the heads of a report anew, with other options than it was made with (HiFi §3): at once, no model is run.
 *
 * @param report what `analyze` gives, or `readHeads`
 * @param options where other than `RANKING_DEFAULTS`
 * @returns the heads' scores
 * @throws HifiError INVALID_INPUT for an option out of range, or a report whose parts do not fit together
 */
export const rank = (report: HeadReport, options?: Partial<RankingOptions>): Ranking =>
  checked(() => rankHeads(report, options));

/**
 * Chooses the heads to tune (HiFi §3): in each layer the `k` best by the strategy's score (`hifi-mid-top`: of the upper half of the
 * layers), or with `budget` the best of the whole model. At once, no model is run.
 *
 * @param measured what `analyze` gives; for a strategy that needs gradients what `score` gives
 * @param options where other than `SELECTION_DEFAULTS`
 * @returns mask.json, as `hifi select` writes it
 * @throws HifiError INVALID_INPUT for an unknown strategy or one that goes by the other kind of measurement, a `k` outside 1 … heads, a
 *   budget that is too small for one head, or both of them
 */
export const select = (measured: HeadReport | HeadScores, options?: Partial<SelectionOptions>): Mask =>
  checked(() => selectHeads(measured, options));

function checked<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw HifiError.from(error);
  }
}
