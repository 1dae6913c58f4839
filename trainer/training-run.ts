import * as fs from 'node:fs';
import * as path from 'node:path';
import { type Encoded, likeLengthBatches } from '../data/batches';
import { type LabelSet, logitCount } from '../data/problem';
import { analyseErrors } from '../delta/analyse-errors';
import { makeDelta, writeDelta } from '../delta/delta';
import { evaluateRows, type Logits, rowLogits, score } from '../delta/logits';
import { isBetter, MISMATCHED, qualityOf } from '../delta/metrics';
import { objectiveOf } from '../delta/objective';
import { metricsOf, PROBLEMS } from '../delta/problems';
import type { EpochMetrics, TrainEvent, TrainMetrics, TrainRequest } from '../delta/training-options';
import { type Tuning, tuningOf } from '../delta/tuning';
import { breathe } from '../foundation/breathe';
import { cancelled, diverged, failed, HifiError } from '../foundation/errors';
import { relayed } from '../foundation/follow';
import { peakResidentBytes } from '../foundation/process-memory';
import { clock, intervalSince, StageMeter } from '../foundation/progress';
import type { Checkpoint } from '../model/checkpoint';
import { describeDelta } from './describe-delta';
import { type LabelledRows, type TrainingInputs, targetsOf } from './inputs';
import { trainedValues } from './low-rank';
import { type FrozenPart, type HiddenRows, hiddenRows, prefixName } from './prefix';
import { PrefixFolder, type PrefixPlace, unlinkedFile } from './prefix-file';
import { Program } from './program';
import { rangeTest } from './range-test';
import { identityOf } from './run-identity';
import { deviceOf, type TensorFlow } from './session';
import { loadState, type Progress, saveState } from './state';
import { TokenRows } from './token-rows';
import { type Trainable, trainable } from './trainable';
import { type Schedule, Training } from './training';

/**
 * Interval between checkpoints, in milliseconds. Checkpoints also follow every epoch and a
 * cancellation. They are rarer if they would take more than a thirtieth of the time, up to the
 * longest interval: with the upload of a checkpoint, a killed trainer costs at most 30 s of steps.
 */
const CHECKPOINT_INTERVAL = 10_000;
const LONGEST_INTERVAL = 20_000;
const SAVING_SHARE = 1 / 30;

/** Training run with its tensors and files. */
export class Run {
  private readonly state: string;
  private readonly identity: string;
  private readonly tuning: Tuning;
  private readonly trainable: Trainable;
  private readonly program: Program;
  /** Rows to close at the end: training rows, dev rows and MNLI's second dev rows. */
  private readonly hidden: HiddenRows[] = [];
  private readonly stepsPerEpoch: number;
  private readonly resumedFromStep: number | null;
  private readonly schedule: Omit<Schedule, 'lr'>;
  private progress: Progress;
  private best: Float32Array;
  /** Logits of the dev rows in the best epoch, from which the errors are analysed. */
  private bestLogits: Float32Array;
  private lastSaved = 0;
  /** Duration of the last checkpoint, in milliseconds. */
  private saving = 0;
  /** Number of tokens that this process has trained on, without padding. */
  private tokens = 0;

  constructor(
    private readonly tf: TensorFlow,
    private readonly checkpoint: Checkpoint,
    private readonly inputs: TrainingInputs,
    private readonly request: TrainRequest,
    private readonly signal: AbortSignal | undefined,
  ) {
    const { options, mask, further } = request;
    this.state = path.join(request.out, 'state');
    this.identity = identityOf(checkpoint, inputs, request);
    this.stepsPerEpoch = Math.ceil(inputs.train.dataset.rows / options.batchSize);
    const outputs = logitCount(inputs.labels);
    const { taskHead } = PROBLEMS[inputs.labels.problem];
    this.tuning = tuningOf(checkpoint.config, mask, further);
    this.trainable = trainable(checkpoint, this.tuning, outputs, options.seed, taskHead);
    const { layout, initial } = this.trainable;
    const saved = request.resume ? loadState(this.state, this.identity, layout.size) : undefined;
    this.resumedFromStep = saved?.progress.step ?? null;
    this.progress = saved?.progress ?? { step: 0, lossSum: 0, lossRows: 0, seconds: 0, epochs: [], bestEpoch: 0 };
    this.best = saved?.best ?? initial;
    this.bestLogits = saved?.bestLogits ?? new Float32Array(0);
    this.schedule = { ...options, steps: options.epochs * this.stepsPerEpoch };
    const objective = objectiveOf(inputs.labels, options, inputs.train.targets);
    const parts = { checkpoint, tuning: this.tuning, layout, outputs, objective };
    this.program = new Program(tf, parts, initial);
    if (saved) this.program.write(saved.training);
  }

  /** Peak learning rate: given, or chosen by {@link Run.chooseRate}. */
  private get lr(): number {
    const { lr } = this.request.options;
    if (lr !== 'auto') return lr;
    if (!this.progress.rate) throw new Error('no learning rate is chosen yet');
    return this.progress.rate.lr;
  }

  private get metrics() {
    const { labels, train } = this.inputs;
    return metricsOf(train.dataset.task, labels);
  }

  /** True if every epoch is complete and only {@link Run.finish} is left. */
  get trained(): boolean {
    return this.progress.epochs.length >= this.request.options.epochs || this.stopsEarly();
  }

  /**
   * Yields the learning rate and the complete epochs again: the reader of a resumed run may have
   * missed them.
   */
  *evaluated(): Generator<TrainEvent> {
    const { rate } = this.progress;
    if (rate) yield { kind: 'rate', rate };
    for (const epoch of this.progress.epochs) yield { kind: 'epoch', epoch };
  }

  /** Output of the frozen layers for every row. */
  async *prepare(): AsyncGenerator<TrainEvent> {
    const { train, dev, mismatched } = this.inputs;
    const began = clock();
    fs.mkdirSync(this.state, { recursive: true });
    const tokens = new TokenRows(this.checkpoint, this.program.readsWords);
    const sets = [train, dev, ...(mismatched ? [mismatched] : [])];
    const meter = new StageMeter(
      'prefix',
      sets.reduce((sum, { encoded }) => sum + encoded.length, 0),
      'rows',
    );
    const part = { program: this.program, checkpoint: this.checkpoint, tokens };
    let before = 0;
    for (const [i, { encoded }] of sets.entries()) {
      const rows = hiddenRows(part, encoded, this.prefixPlace(part, encoded, i));
      this.hidden.push(yield* this.follow(rows, meter, before));
      before += encoded.length;
    }
    const reused = this.hidden.filter(({ isReused }) => isReused).length;
    yield intervalSince(began, 'prefix', { reused });
  }

  /** @param set which of the sets of rows it is */
  private prefixPlace(part: FrozenPart, rows: readonly Encoded[], set: number): PrefixPlace {
    const { prefixes } = this.request;
    if (prefixes === undefined) return unlinkedFile(path.join(this.state, `prefix-${set}.f32`));
    const engine = { device: deviceOf(this.tf), precision: this.tf.precision };
    return new PrefixFolder(prefixes).place(prefixName(part, rows, engine));
  }

  /** Chooses the learning rate, unless it is given or an interrupted run has chosen it. */
  async *chooseRate(): AsyncGenerator<TrainEvent> {
    const { options } = this.request;
    if (options.lr !== 'auto' || this.progress.rate) return;
    const { program, trainable, inputs } = this;
    const began = clock();
    const tested = { program, initial: trainable.initial, hidden: this.hidden[0], rows: inputs.train };
    const { batchSize, seed } = options;
    const rate = yield* rangeTest(tested, { batchSize, seed, steps: this.schedule.steps }, this.signal);
    this.progress.rate = rate;
    yield intervalSince(began, 'range', { lr: rate.lr });
    yield { kind: 'rate', rate };
  }

  /** Runs every remaining epoch. */
  async *epochs(): AsyncGenerator<TrainEvent> {
    const { options } = this.request;
    const training = new Training(this.program, { ...this.schedule, lr: this.lr });
    const steps = options.epochs * this.stepsPerEpoch;
    const meter = new StageMeter('train', steps, 'steps', this.progress.step);
    this.lastSaved = performance.now();
    // An epoch is complete once it is evaluated: a run may be interrupted before its evaluation.
    while (!this.trained) {
      const epoch = this.progress.epochs.length;
      const batches = likeLengthBatches(this.hidden[0].lengths, {
        batchSize: options.batchSize,
        seed: options.seed,
        epoch,
      });
      for (const rows of batches.slice(this.progress.step - epoch * this.stepsPerEpoch)) {
        const loss = this.step(training, rows);
        yield* meter.due(this.progress.step, { loss, tokens: this.tokens });
        await this.breatheOrSave();
        const last = this.progress.step === (epoch + 1) * this.stepsPerEpoch;
        const pause = Math.min(Math.max(CHECKPOINT_INTERVAL, this.saving / SAVING_SHARE), LONGEST_INTERVAL);
        if (!last && performance.now() - this.lastSaved > pause) yield this.save();
      }
      yield* this.judge(epoch + 1);
      yield this.save();
    }
  }

  /** Writes the best epoch's delta. The state stays until the caller has stored the metrics. */
  finish(): TrainMetrics {
    const { checkpoint, inputs, request, tuning, trainable } = this;
    const { train, dev } = inputs;
    const { options, mask, further } = request;
    const { epochs, bestEpoch, rate } = this.progress;
    const { thresholds } = epochs[bestEpoch - 1];
    const labels = { ...inputs.labels, ...(thresholds && { thresholds }) };
    const info = describeDelta(checkpoint, mask, labels, train.dataset.task, { ...options, lr: this.lr }, further);
    const values = trainedValues(checkpoint, tuning, trainable.layout.views(this.best));
    const delta = makeDelta(checkpoint, info, ({ canonical }) => values(canonical));
    writeDelta(path.join(request.out, 'delta'), delta);
    const metric = this.metrics.best;
    const logits = { values: this.bestLogits, outputs: logitCount(labels), words: dev.windows.words };
    return {
      task: info.task,
      metric,
      best: { epoch: bestEpoch, value: epochs[bestEpoch - 1].dev[metric] },
      resumedFromStep: this.resumedFromStep,
      epochs,
      trainableParameters: trainable.tunedParameters,
      taskHeadParameters: trainable.taskHeadParameters,
      peakRssBytes: peakResidentBytes(),
      seed: options.seed,
      deviceUsed: deviceOf(this.tf),
      ...(options.precision === 'bf16' && { precision: options.precision }),
      errorAnalysis: analyseErrors(logits, dev, labels, options.omitTexts),
      ...(rate && { learningRate: rate }),
      ...(inputs.duplicates > 0 && { devDuplicates: inputs.duplicates }),
    };
  }

  dispose(): void {
    this.program.close();
    for (const rows of this.hidden) rows.close();
  }

  private step(training: Training, rows: Int32Array): number {
    const { train } = this.inputs;
    const { progress } = this;
    const start = performance.now();
    const targets = targetsOf(train, rows);
    let loss: number;
    try {
      loss = training.step(this.hidden[0].read(rows), targets, progress.step);
    } catch (error) {
      if (HifiError.from(error).code === 'DIVERGED') throw error;
      throw failed(`${(error as Error).message} (${this.lastCheckpoint()})`, error);
    }
    progress.step++;
    for (const row of rows) this.tokens += train.encoded[row].ids.length;
    progress.lossSum += loss * rows.length;
    progress.lossRows += rows.length;
    progress.seconds += (performance.now() - start) / 1000;
    return loss;
  }

  /**
   * Evaluates the epoch that has ended and stores its parameters if it is the best so far; see
   * `isBetter`.
   */
  private async *judge(epoch: number): AsyncGenerator<TrainEvent> {
    const { dev, mismatched } = this.inputs;
    const { progress, metrics } = this;
    const began = clock();
    const logits = yield* this.logits(this.hidden[1], dev);
    const labels = this.withThresholds(logits, dev);
    const scores = score(logits, dev.targets, labels, metrics);
    if (mismatched) {
      const second = score(yield* this.logits(this.hidden[2], mismatched), mismatched.targets, labels, metrics);
      scores[MISMATCHED] = second[metrics.best];
    }
    yield intervalSince(began, 'evaluate', { epoch });
    const trainLoss = progress.lossSum / progress.lossRows;
    const result: EpochMetrics = {
      epoch,
      trainLoss,
      dev: scores,
      ...(labels.thresholds && { thresholds: [...labels.thresholds] }),
      seconds: progress.seconds,
    };
    const best = progress.epochs[progress.bestEpoch - 1]?.dev;
    const judged = (of: Record<string, number>) => qualityOf(metrics, of, metrics.isUndefinedOn(dev.targets));
    if (best === undefined || isBetter(judged(scores), judged(best))) {
      progress.bestEpoch = epoch;
      this.best = this.program.read().parameters;
      this.bestLogits = logits.values;
    }
    Object.assign(progress, { lossSum: 0, lossRows: 0, seconds: 0, epochs: [...progress.epochs, result] });
    yield { kind: 'epoch', epoch: result };
  }

  /**
   * Labels with their thresholds, if the problem has any: the given one, or the best on the rows.
   */
  private withThresholds(logits: Logits, { targets }: LabelledRows): LabelSet {
    const { labels } = this.inputs;
    const { threshold } = this.request.options;
    const best = PROBLEMS[labels.problem].thresholds;
    if (!best) return labels;
    return {
      ...labels,
      thresholds: threshold === undefined ? best(logits, targets) : labels.names.map(() => threshold),
    };
  }

  private async *logits(hidden: HiddenRows, rows: LabelledRows): AsyncGenerator<TrainEvent, Logits> {
    const { encoded, windows } = rows;
    const meter = new StageMeter('evaluate', encoded.length, 'rows');
    const { batchSize } = this.request.options;
    const batches = evaluateRows((batch) => this.program.logits(batch), hidden, batchSize, encoded);
    const logits = yield* this.follow(batches, meter);
    if (!logits.values.every(Number.isFinite))
      throw diverged('a logit is no finite number; a lower learning rate may help');
    return rowLogits(windows, logits);
  }

  /** Reports how many rows are done, and stops between two batches. */
  private follow<Result>(
    rows: AsyncGenerator<number, Result>,
    meter: StageMeter,
    before = 0,
  ): AsyncGenerator<TrainEvent, Result> {
    const { signal } = this;
    return relayed(rows, async function* (done) {
      yield* meter.due(before + done);
      await breathe(signal);
    });
  }

  private stopsEarly(): boolean {
    const { earlyStopping } = this.request.options;
    const { epochs, bestEpoch } = this.progress;
    return earlyStopping !== undefined && epochs.length - bestEpoch >= earlyStopping;
  }

  private save(): TrainEvent {
    const began = performance.now();
    const { progress, best, bestLogits } = this;
    saveState(this.state, this.identity, { progress, training: this.program.read(), best, bestLogits });
    this.lastSaved = performance.now();
    this.saving = this.lastSaved - began;
    return { kind: 'checkpoint', step: this.progress.step };
  }

  private lastCheckpoint(): string {
    return fs.existsSync(this.state) && fs.readdirSync(this.state).some((name) => name.endsWith('.safetensors'))
      ? `the last checkpoint is kept in ${this.state}`
      : 'no checkpoint had been written';
  }

  /** Lets an abort take effect between two steps, after saving the state. */
  private async breatheOrSave(): Promise<void> {
    await breathe();
    if (!this.signal?.aborted) return;
    this.save();
    throw cancelled();
  }
}
