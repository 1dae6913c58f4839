import { analyze } from '../analyzer/analysis-engine';
import { PARAMETER_BYTES } from '../delta/onnx-folder';
import { cancelled } from '../foundation/errors';
import { relayed } from '../foundation/follow';
import type { StageProgress, WorkInterval } from '../foundation/progress';
import { isScoreStrategy } from '../heads/scores';
import { seededScores } from '../heads/seeded-order';
import { selectHeads } from '../heads/select';
import type { ProcessOptions } from '../infra/engine';
import { treePeakBytes } from '../infra/process-memory';
import { type Checkpoint, openCheckpoint } from '../model/checkpoint';
import { calibrate, scoreHeads } from '../trainer/training-engine';
import type { JobSpec } from './job';

/** What a job would come to. */
export interface JobEstimate {
  /** Heads that would be tuned; with the other three, known without an analysis. */
  heads: number;
  /** Tuned numbers of the base, without the task head. */
  trainableParameters: number;
  /** Numbers of the task head, all of them trained. */
  taskHeadParameters: number;
  /** The base with its pooler, without a task head's other weights. */
  totalParameters: number;
  /** trainableParameters / totalParameters, 0 … 1. */
  share: number;
  /** Of the delta's two files, known but for the digits of the heads' scores. */
  deltaBytes: number;
  /** Highest resident memory of the process tree, in bytes. */
  peakMemoryBytes: number;
  /** Wall times. */
  seconds: {
    /** Of the analysis. */
    analysis: number;
    /** Of the scores, for a strategy that needs gradients. */
    scoring?: number;
    /** Preparation and all epochs' steps. */
    training: number;
    /** All epochs' dev rows. */
    evaluation: number;
    /** Of the folders beside the delta. */
    export: number;
    /** Of all of these. */
    total: number;
  };
  /** Training steps in all. */
  steps: number;
  /** How many rows there are. */
  rows: {
    /** Trained on. */
    train: number;
    /** Judged by, each epoch. */
    dev: number;
  };
}

/** Sequences that the analysis and the scoring are tried on; fewer where a forward pass is long. */
const TRIED = { few: 16, many: 64 };
/** Parameters of a model from which on they are few. */
const LARGE = 60e6;

/** Bytes a second at which a checkpoint is merged and written, with its hash: measured with MiniLM (91 MB in 0.5 s). */
const EXPORT_BYTES_PER_SECOND = 180e6;

/**
 * What a job would come to: its sizes from the shapes of the model, its seconds and memory from a
 * short calibration in the engines (a part of the analysis' sample, a few real training steps).
 * Writes nothing and starts no job.
 *
 * @param processes supervision of the engines' processes
 * @throws HifiError as the job would for bad input; CANCELLED by `signal`
 */
export async function* estimate(
  spec: JobSpec,
  signal: AbortSignal = new AbortController().signal,
  processes: ProcessOptions = {},
): AsyncGenerator<StageProgress, JobEstimate> {
  const checkpoint = await openCheckpoint(spec.model);
  checkpoint.close();
  const mask = maskOfShape(checkpoint, spec);
  const tried = checkpoint.parameters < LARGE ? TRIED.many : TRIED.few;
  const { model, train, dev, analysis, training } = spec;

  // With `auto` the most that may be drawn: how many it takes, the analysis alone can tell.
  const asked = analysis.samples === 'auto' ? analysis.maxSamples : analysis.samples;
  const samples = Math.min(tried, asked);
  const measuring = timed(analyze({ model, data: train, options: { ...analysis, samples } }, signal, processes));
  const measured = yield* measuring;
  const sequences = Math.min(asked, measured.result.data.rows);
  const analysisSeconds = scaledSeconds(measured, ['encode', 'measure'], sequences / measured.result.samples);
  let peak = measured.peakBytes;

  let scoring: number | undefined;
  const { strategy } = spec.selection;
  const moves = strategy === 'movement';
  if (isScoreStrategy(strategy)) {
    const { seed, device, threads } = training;
    const options = { samples, maxLength: analysis.maxLength, seed, device, threads };
    // That of `movement` is half an epoch long: its warm-up is that of `gradient`, its steps are tried below.
    const tried = moves ? 'gradient' : strategy;
    const scored = yield* timed(scoreHeads({ model, train, strategy: tried, options }, signal, processes));
    scoring = scaledSeconds(
      scored,
      ['prefix', 'score'],
      Math.min(sequences, scored.result.data.rows) / scored.result.samples,
    );
    peak = Math.max(peak, scored.peakBytes);
  }

  if (signal.aborted) throw cancelled();
  if (moves) {
    const whole = maskOfShape(checkpoint, { ...spec, selection: { ...spec.selection, strategy: 'all' } });
    const options = { ...training, epochs: 1 };
    const tuned = yield* timed(calibrate({ model, train, dev, mask: whole, options }, signal, processes));
    scoring = (scoring ?? 0) + tuned.startSeconds + tuned.result.seconds.steps / 2;
    peak = Math.max(peak, tuned.peakBytes + tuned.result.furtherBytes);
  }

  if (signal.aborted) throw cancelled();
  const calibrated = yield* timed(calibrate({ model, train, dev, mask, options: training }, signal, processes));
  const { seconds, furtherBytes, ...cost } = calibrated.result;
  const onnx = spec.exports.includes('onnx') ? spec.onnxDtypes : [];
  const others = spec.exports.filter((format) => format !== 'onnx').length;
  const parameterBytes = onnx.reduce((bytes, dtype) => bytes + PARAMETER_BYTES[dtype], 4 * others);
  // Each ONNX file is evaluated on the dev rows, as an epoch is.
  const exporting =
    (parameterBytes * checkpoint.parameters) / EXPORT_BYTES_PER_SECOND +
    (onnx.length * seconds.evaluation) / training.epochs;
  const trainingSeconds = calibrated.startSeconds + seconds.preparation + seconds.steps;
  return {
    heads: mask.heads.length,
    trainableParameters: cost.trainableParameters,
    taskHeadParameters: cost.taskHeadParameters,
    totalParameters: mask.totalParameters,
    share: mask.share,
    deltaBytes: cost.deltaBytes,
    peakMemoryBytes: Math.max(peak, calibrated.peakBytes + furtherBytes),
    seconds: {
      analysis: analysisSeconds,
      ...(scoring !== undefined && { scoring }),
      training: trainingSeconds,
      evaluation: seconds.evaluation,
      export: exporting,
      total: analysisSeconds + (scoring ?? 0) + trainingSeconds + seconds.evaluation + exporting,
    },
    steps: cost.steps,
    rows: cost.rows,
  };
}

/** As many heads of each layer as the strategy would choose, drawn at random. */
function maskOfShape({ name, sha256, parameters, config }: Checkpoint, { selection }: JobSpec) {
  const { layers, heads, headDim, hiddenSize } = config;
  const drawn = seededScores(0, layers * heads);
  const scores = Array.from({ length: layers }, (_, layer) => drawn.slice(layer * heads, (layer + 1) * heads));
  const model = { name, sha256, layers, heads, headDim, hiddenSize, parameters };
  return selectHeads({ model, strategy: selection.strategy, scores }, selection);
}

/** An engine's work, with what it took. */
interface Timed<Result> {
  result: Result;
  /** Until its first event, which is the engine's start; and in all. */
  startSeconds: number;
  seconds: number;
  /** Of each stage, from its first event to its last. */
  stages: Map<string, number>;
  peakBytes: number;
}

/** Follows an engine's work; its progress is told on. */
async function* timed<Result>(
  events: AsyncGenerator<StageProgress | WorkInterval | { kind: 'warning' }, Result>,
): AsyncGenerator<StageProgress, Timed<Result>> {
  const started = performance.now();
  const since = (from: number) => (performance.now() - from) / 1000;
  const begun = new Map<string, number>();
  const stages = new Map<string, number>();
  let startSeconds: number | undefined;
  let peakBytes = 0;
  const result = yield* relayed(events, function* (event) {
    startSeconds ??= since(started);
    peakBytes = Math.max(peakBytes, treePeakBytes());
    if (event.kind !== 'progress') return;
    const from = begun.get(event.stage) ?? performance.now();
    begun.set(event.stage, from);
    stages.set(event.stage, since(from));
    yield event;
  });
  return { result, startSeconds: startSeconds ?? since(started), seconds: since(started), stages, peakBytes };
}

/** The whole time, where some of the stages are `factor` times as long. */
const scaledSeconds = ({ seconds, stages }: Timed<unknown>, scaled: readonly string[], factor: number) =>
  scaled.reduce((total, stage) => total + (factor - 1) * (stages.get(stage) ?? 0), seconds);
