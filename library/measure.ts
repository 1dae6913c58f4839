import * as engine from '../analyzer/analysis-engine';
import { HifiError } from '../foundation/errors';
import type { HeadReport } from '../heads/head-report';
import type { Mask } from '../heads/mask';
import { type Ranking, type RankingOptions, rankHeads } from '../heads/ranking';
import type { HeadScores } from '../heads/scores';
import { type SelectionOptions, selectHeads } from '../heads/select';
import * as trainer from '../trainer/training-engine';
import { type AnalyzeEvent, withoutIntervals } from './events';
import { modelFolder } from './model';
import type { AnalyzeRequest, ScoreRequest } from './requests';
import { type Run, type RunOptions, runOf } from './run';
import { withRows } from './text-rows';

/**
 * Measures all heads of a model on a sample of rows and ranks them (HiFi §3). The report has the
 * singular values, activation and PageRank of each head as matrices [layers][heads], and the
 * correlation of each pair of heads. Runs in its own process, which ends with it; {@link Analyzer}
 * reuses one.
 *
 * Stages: `download` (a model by name, on first use), `load`, `encode`, `measure`, `rank`.
 *
 * @param request model, rows and options
 * @param options cancellation
 * @returns content of heads.json, as `hifi analyze` writes it
 * @throws HifiError INVALID_INPUT for a bad model, rows or option; CANCELLED by `signal`, within a
 *   batch; ENGINE_LOST if the process was killed
 */
export const analyze = (request: AnalyzeRequest, options?: RunOptions): Run<AnalyzeEvent, HeadReport> =>
  runOf((signal) => analysisBy(engine.analyze, request, signal), options);

/** Settings for the process of an {@link Analyzer}. */
export interface AnalyzerOptions {
  /** Idle milliseconds after which the process ends and frees its memory. Default: never. */
  idleMs?: number;
  /**
   * Niceness above this process, 0 … 19, so that this process answers while the engine computes.
   * Default: 0.
   */
  nice?: number;
}

/**
 * Runs analyses in one process that it reuses, for a service. The process caches its last model, so
 * the next analysis with the same model, device, threads and `exact` starts at once. One analysis
 * runs at a time; others wait.
 */
export class Analyzer {
  private readonly engine: engine.AnalyzerEngine;

  /**
   * Creates an analyzer; the first analysis starts its process.
   *
   * @param options settings for its process
   */
  constructor(options: AnalyzerOptions = {}) {
    this.engine = new engine.AnalyzerEngine(options);
  }

  /**
   * Runs an analysis like the function {@link analyze}.
   *
   * @param request model, rows and options
   * @param options cancellation
   * @returns content of heads.json
   * @throws HifiError as {@link analyze}; also ENGINE_LOST if the analyzer was closed
   */
  analyze(request: AnalyzeRequest, options?: RunOptions): Run<AnalyzeEvent, HeadReport> {
    const analysis: typeof engine.analyze = (whole, signal) => this.engine.analyze(whole, signal);
    return runOf((signal) => analysisBy(analysis, request, signal), options);
  }

  /** Ends the process and its analysis, for good. Settles when the process has ended. */
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
    return yield* withoutIntervals(analysis({ model: folder, data: rows.data, options }, signal));
  });

/**
 * Scores all heads by a strategy that needs gradients, mostly after a short training of the task
 * head. `select` takes the result for `SCORE_STRATEGIES`.
 *
 * Stages: `download`, `warm-up`, `prefix`, `score`.
 *
 * @param request model, labelled rows, strategy and options
 * @param options cancellation
 * @returns content of scores.json, as `hifi score` writes it
 * @throws HifiError INVALID_INPUT for a bad model, rows, labels or option; FAILED for a loss or a
 *   score that is not a finite number; CANCELLED by `signal`, within a batch; ENGINE_LOST if the
 *   process was killed
 */
export const score = (request: ScoreRequest, options?: RunOptions): Run<AnalyzeEvent, HeadScores> =>
  runOf((signal) => {
    const { train, strategy } = request;
    return withRows({ train }, async function* (rows) {
      const model = yield* modelFolder(request.model, signal);
      const scoring = { model, train: rows.train, strategy, options: request.options ?? {} };
      return yield* withoutIntervals(trainer.scoreHeads(scoring, signal));
    });
  }, options);

/**
 * Ranks the heads of a report with other options (HiFi §3). Runs no model.
 *
 * @param report result of `analyze` or `readHeads`
 * @param options options that differ from `RANKING_DEFAULTS`
 * @returns scores of the heads
 * @throws HifiError INVALID_INPUT for an option out of range, or a report with inconsistent parts
 */
export const rank = (report: HeadReport, options?: Partial<RankingOptions>): Ranking =>
  checked(() => rankHeads(report, options));

/**
 * Chooses the heads to tune (HiFi §3): the `k` best of each layer by the strategy's score, or with
 * `budget` the best of the whole model. `hifi-mid-top` considers the upper half of the layers. Runs
 * no model.
 *
 * @param measured result of `analyze`, or of `score` for a strategy that needs gradients
 * @param options options that differ from `SELECTION_DEFAULTS`
 * @returns content of mask.json, as `hifi select` writes it
 * @throws HifiError INVALID_INPUT for an unknown strategy, a strategy that needs the other kind of
 *   measurement, a `k` outside 1 … heads, a budget too small for one head, or both `k` and `budget`
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
