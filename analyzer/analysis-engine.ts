import type { StageProgress } from '../foundation/progress';
import type { AnalysisCost } from '../heads/analysis-cost';
import type { AnalysisEvent, AnalyzeRequest, Shard } from '../heads/analysis-request';
import type { HeadReport } from '../heads/head-report';
import { callEngine, Engine, type EngineOptions, type ProcessOptions } from '../infra/engine';
import type { Embedded, EmbedRequest } from './embed';
import type { ShardStatistics } from './shard';

const entry = require.resolve('./child');

/**
 * Environment of the child. The young generation of each thread's heap is 4 MB per semi-space
 * instead of 16, because many short-lived rows would fill it before a collection. It takes no extra
 * time: 2,000 CoLA rows need the same CPU seconds within 2 %.
 */
const env = () => ({ NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --max-semi-space-size=4`.trim() });

/** Runs `pipeline.analyze` in a child process. */
export function analyze(
  request: AnalyzeRequest,
  signal?: AbortSignal,
  options?: ProcessOptions,
): AsyncGenerator<AnalysisEvent, HeadReport> {
  return callEngine({ entry, method: 'analyze', request, env: env(), signal, ...options });
}

/** Runs `calibrateAnalysis` in a child process. */
export function calibrateAnalysis(
  request: AnalyzeRequest,
  signal?: AbortSignal,
  options?: ProcessOptions,
): AsyncGenerator<StageProgress, AnalysisCost> {
  return callEngine({ entry, method: 'calibrate', request, env: env(), signal, ...options });
}

/** Runs `embed` in a child process. */
export function embed(request: EmbedRequest, signal?: AbortSignal): AsyncGenerator<StageProgress, Embedded> {
  return callEngine({ entry, method: 'embed', request, env: env(), signal });
}

/**
 * Child process that runs analyses one after the other. It caches the last model, so the next
 * analysis of it starts at once.
 */
export class AnalyzerEngine {
  private readonly engine: Engine;

  constructor(options: Pick<EngineOptions, 'nice' | 'silenceMs' | 'idleMs'> = {}) {
    this.engine = new Engine({ entry, env: env(), ...options });
  }

  /** Process id of the child; undefined if there is none. */
  get pid(): number | undefined {
    return this.engine.pid;
  }

  /** Starts the child; see {@link Engine.start}. */
  start(): void {
    this.engine.start();
  }

  /** Runs `pipeline.analyze`; see {@link Engine.call}. */
  analyze(request: AnalyzeRequest, signal?: AbortSignal): AsyncGenerator<AnalysisEvent, HeadReport> {
    return this.engine.call('analyze', request, signal);
  }

  /** Runs `pipeline.analyzeShard`. */
  analyzeShard(
    request: AnalyzeRequest & { shard: Shard },
    signal?: AbortSignal,
  ): AsyncGenerator<AnalysisEvent, ShardStatistics> {
    return this.engine.call('analyzeShard', request, signal);
  }

  /** Runs `pipeline.merge`. */
  merge(shards: ShardStatistics[], signal?: AbortSignal): AsyncGenerator<AnalysisEvent, HeadReport> {
    return this.engine.call('merge', shards, signal);
  }

  /** Ends the child. */
  close(): Promise<void> {
    return this.engine.close();
  }
}
