import type { StageProgress } from '../foundation/progress';
import type { AnalysisCost } from '../heads/analysis-cost';
import type { AnalysisEvent, AnalyzeRequest, Shard } from '../heads/analysis-request';
import type { HeadReport } from '../heads/head-report';
import { callEngine, Engine, type EngineOptions, type ProcessOptions } from '../infra/engine';
import type { Embedded, EmbedRequest } from './embed';
import type { ShardStatistics } from './shard';

const entry = require.resolve('./child');

/**
 * The young generation of each thread's heap is 4 MB to a side, not 16: rows are many and short-lived, and would fill what there
 * is before anything is collected. It takes no time (CPU seconds of 2,000 CoLA rows: the same to 2 %).
 */
const env = () => ({ NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --max-semi-space-size=4`.trim() });

/** `pipeline.analyze` in a child process. */
export function analyze(
  request: AnalyzeRequest,
  signal?: AbortSignal,
  options?: ProcessOptions,
): AsyncGenerator<AnalysisEvent, HeadReport> {
  return callEngine({ entry, method: 'analyze', request, env: env(), signal, ...options });
}

/** Measures what an analysis costs, in a child process; see `calibrateAnalysis`. */
export function calibrateAnalysis(
  request: AnalyzeRequest,
  signal?: AbortSignal,
  options?: ProcessOptions,
): AsyncGenerator<StageProgress, AnalysisCost> {
  return callEngine({ entry, method: 'calibrate', request, env: env(), signal, ...options });
}

/** `embed` in a child process. */
export function embed(request: EmbedRequest, signal?: AbortSignal): AsyncGenerator<StageProgress, Embedded> {
  return callEngine({ entry, method: 'embed', request, env: env(), signal });
}

/** Analyses in one child process, one after the other. It keeps the last model, so that the next analysis of it starts at once. */
export class AnalyzerEngine {
  private readonly engine: Engine;

  constructor(options: Pick<EngineOptions, 'nice' | 'silenceMs' | 'idleMs'> = {}) {
    this.engine = new Engine({ entry, env: env(), ...options });
  }

  /** Of the child; undefined where there is none. */
  get pid(): number | undefined {
    return this.engine.pid;
  }

  /** `pipeline.analyze`; see {@link Engine.call} for what the process adds. */
  analyze(request: AnalyzeRequest, signal?: AbortSignal): AsyncGenerator<AnalysisEvent, HeadReport> {
    return this.engine.call('analyze', request, signal);
  }

  /** `pipeline.analyzeShard`. */
  analyzeShard(
    request: AnalyzeRequest & { shard: Shard },
    signal?: AbortSignal,
  ): AsyncGenerator<AnalysisEvent, ShardStatistics> {
    return this.engine.call('analyzeShard', request, signal);
  }

  /** `pipeline.merge`. */
  merge(shards: ShardStatistics[], signal?: AbortSignal): AsyncGenerator<AnalysisEvent, HeadReport> {
    return this.engine.call('merge', shards, signal);
  }

  /** Ends the child. */
  close(): Promise<void> {
    return this.engine.close();
  }
}
