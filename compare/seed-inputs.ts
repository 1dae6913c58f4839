import * as fs from 'node:fs';
import * as path from 'node:path';
import { analyze } from '../analyzer/analysis-engine';
import { ANALYSIS_DEFAULTS, type AnalysisOptions } from '../heads/analysis-options';
import type { HeadReport } from '../heads/head-report';
import { type HeadScores, isScoreStrategy, type ScoreStrategy } from '../heads/scores';
import type { ScoredHeads, SelectionInput, SelectionOptions } from '../heads/select';
import type { Tune } from '../heads/tune';
import { readHeads, readScores, writeJson } from '../job/files';
import { scoreHeads } from '../trainer/training-engine';
import type { ComparedData } from './data';
import { progressOf } from './engine-progress';
import type { CompareEvent, CompareRequest } from './request';
import { type SeedRows, seedRows } from './seed-rows';

/** Inputs that all runs of a seed share: rows, analysis and scores. Made on demand and cached. */
export class SeedInputs {
  readonly rows: SeedRows;
  private readonly folder: string;
  private heads: HeadReport | undefined;
  private readonly scores = new Map<string, HeadScores>();

  constructor(
    private readonly request: CompareRequest,
    data: ComparedData,
    readonly seed: number,
  ) {
    this.folder = path.join(request.out, 'state', `seed-${seed}`);
    fs.mkdirSync(this.folder, { recursive: true });
    this.rows = seedRows(data, request.rows, { seed, searchSeed: request.seeds[0] }, this.folder);
  }

  /** Folder of cached outputs of frozen layers, for trainings with the same frozen layers. */
  get prefixes(): string {
    return path.join(this.folder, 'prefixes');
  }

  /** Options of the analysis of all runs. */
  get analysisOptions(): AnalysisOptions {
    const { training, samples, engine } = this.request;
    return { ...ANALYSIS_DEFAULTS, ...engine, samples, maxLength: training.maxLength, seed: this.seed };
  }

  /** Removes large files, once all runs of the seed have ended. */
  removeLargeFiles(): void {
    fs.rmSync(this.prefixes, { recursive: true, force: true });
  }

  /** Measurement from which a strategy chooses heads, and the seconds that it took. */
  async *measured(
    { strategy, tune }: Pick<SelectionOptions, 'strategy' | 'tune'>,
    signal: AbortSignal,
  ): AsyncGenerator<CompareEvent, { measured: SelectionInput | ScoredHeads; seconds: number }> {
    const measured = isScoreStrategy(strategy, tune)
      ? yield* this.scored(strategy, tune, signal)
      : yield* this.analysis(signal);
    return { measured, seconds: measured.elapsedSeconds };
  }

  private async *analysis(signal: AbortSignal): AsyncGenerator<CompareEvent, HeadReport> {
    const file = path.join(this.folder, 'heads.json');
    this.heads ??= readIfWhole(file, readHeads);
    if (this.heads) return this.heads;
    const { model } = this.request;
    const options = this.analysisOptions;
    this.heads = yield* progressOf(analyze({ model, data: this.rows.train, options }, signal));
    writeJson(file, this.heads);
    return this.heads;
  }

  private async *scored(
    strategy: ScoreStrategy,
    tune: Tune,
    signal: AbortSignal,
  ): AsyncGenerator<CompareEvent, HeadScores> {
    const file = path.join(this.folder, `scores-${strategy}-${tune}.json`);
    const stored = this.scores.get(file) ?? readIfWhole(file, readScores);
    if (stored) return stored;
    const { model, training, samples, engine } = this.request;
    const { maxLength, precision } = training;
    const options = { ...engine, samples, tune, maxLength, precision, seed: this.seed };
    const scores = yield* progressOf(scoreHeads({ model, train: this.rows.train, strategy, options }, signal));
    writeJson(file, scores);
    this.scores.set(file, scores);
    return scores;
  }
}

/** Reads a file of an earlier attempt; undefined if it is missing or damaged. */
function readIfWhole<T>(file: string, read: (file: string) => T): T | undefined {
  try {
    return read(file);
  } catch {
    return undefined;
  }
}
