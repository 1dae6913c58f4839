import type { Engine } from '../infra/engine';
import type { Checkpoint } from '../model/checkpoint';
import type { ComparedData } from './data';
import type { EmbeddingFile } from './features';
import { furtherOf, isMasked, LOGISTIC, type Method, SETFIT, type TunedMethod } from './methods';
import { bestOf, ratesAfter } from './rate-search';
import { embeddedFiles, fitRegression } from './regression';
import type { CompareEvent, CompareRequest, RunEvent } from './request';
import { type RunRecord, readRun } from './run-record';
import { SeedInputs } from './seed-inputs';
import { testSetfit, trainSetfit } from './setfit';
import { removeTrained, storedRun } from './trained-folder';
import { runOf, testMethod, trainMethod } from './tuning';

/** Rates to try next after some runs, none once the search has ended; see {@link ratesAfter}. */
type NextRates = typeof ratesAfter;

/** Runs of a comparison: each is stored as it ends, and never repeated. */
export class ComparisonRuns {
  private readonly inputsBySeed = new Map<number, SeedInputs>();
  private files: EmbeddingFile[] | undefined;
  /** Method whose trainings the engine's child has run. */
  private engineFor: Method | undefined;
  private done = 0;
  /** Seconds of the runs of this process, from which the remaining time follows. */
  private readonly taken: number[] = [];

  /**
   * @param engine runs trainings and tests. Its child serves one method, so that each has its own
   *   peak of memory
   * @param total number of runs, if it is known
   */
  constructor(
    readonly request: CompareRequest,
    private readonly checkpoint: Checkpoint,
    private readonly data: ComparedData,
    private readonly engine: Engine,
    private readonly signal: AbortSignal,
    private total: number | null,
  ) {}

  /** Begins the runs of a seed that are not stored, if they run elsewhere. */
  begin(methods: readonly Method[], seed: number, lrs: readonly number[]): void {
    const { request, checkpoint } = this;
    if (!request.place) return;
    for (const contestant of methods) {
      if (!isMasked(contestant) || furtherOf(contestant, checkpoint.config)) continue;
      for (const lr of lrs) {
        const key = { contestant, seed, lr };
        if (!storedRun(request.out, key)) request.place.begin(runOf(request, this.inputs(seed), key));
      }
    }
  }

  /**
   * Trains a method with each learning rate and tests the best; `logistic` has none. If all fail,
   * returns the first run.
   *
   * @param next rates to try after those tried. Default: beyond an end of the rates too, while that
   *   is the best
   */
  run(
    method: Method,
    seed: number,
    lrs: readonly number[],
    next: NextRates = ratesAfter,
  ): AsyncGenerator<CompareEvent, RunRecord> {
    return method === LOGISTIC ? this.regression(seed) : this.tuning(method, seed, lrs, next);
  }

  /** Trains a method with fewer epochs, in a folder of its own, and keeps only the record. */
  async *shortRun(
    contestant: TunedMethod,
    seed: number,
    lr: number,
    { epochs, out }: { epochs: number; out: string },
  ): AsyncGenerator<CompareEvent, RunRecord> {
    const request = { ...this.request, out, training: { ...this.request.training, epochs } };
    const started = performance.now();
    const stored = readRun(out, { contestant, seed, lr });
    const record = stored ?? (yield* this.trained(contestant, this.inputs(seed), lr, request));
    removeTrained(out, record);
    yield { ...this.ended(record, stored !== undefined, started), epochs };
    return record;
  }

  /**
   * Counts what {@link ComparisonRuns.run} would still have to do: trainings, and a test.
   *
   * @param out folder of the records. Default: that of the comparison
   */
  missing(
    method: Method,
    seed: number,
    lrs: readonly number[],
    out = this.request.out,
  ): { trainings: number; test: boolean } {
    const keys = method === LOGISTIC ? [null] : lrs;
    const records = keys.flatMap((lr) => readRun(out, { contestant: method, seed, lr }) ?? []);
    const best = bestOf(records);
    return { trainings: keys.length - records.length, test: records.length < keys.length || best?.test === null };
  }

  private inputs(seed: number): SeedInputs {
    const inputs = this.inputsBySeed.get(seed) ?? new SeedInputs(this.request, this.data, seed);
    this.inputsBySeed.set(seed, inputs);
    return inputs;
  }

  /** Removes a seed's large files, once all of its runs have ended. */
  closeSeed(seed: number): void {
    this.inputsBySeed.get(seed)?.removeLargeFiles();
    this.inputsBySeed.delete(seed);
  }

  private async *tuning(
    method: TunedMethod,
    seed: number,
    lrs: readonly number[],
    nextRates: NextRates,
  ): AsyncGenerator<CompareEvent, RunRecord> {
    const { out } = this.request;
    const before = this.searched(method, seed, lrs, nextRates);
    if (before) {
      this.extend(before.length - lrs.length);
      for (const record of before) {
        removeTrained(out, record);
        yield this.ended(record, true);
      }
      return bestOf(before) as RunRecord;
    }
    const inputs = this.inputs(seed);
    const records: RunRecord[] = [];
    const alone = lrs.length === 1;
    for (let next = nextRates(lrs, records); next.length > 0; next = nextRates(lrs, records)) {
      const [lr] = next;
      const key = { contestant: method, seed, lr };
      const started = performance.now();
      const stored = alone ? storedRun(out, key) : readRun(out, key);
      let record = stored ?? (yield* this.trained(method, inputs, lr));
      if (alone && record.dev) record = yield* this.tested(inputs, record);
      if (records.length >= lrs.length) this.extend(1); // a rate beyond the list
      records.push(record);
      yield this.ended(record, stored !== undefined, started);
    }
    const best = bestOf(records);
    if (!best) return records[0];
    // An earlier search may have ended with another best, and removed what this one trained.
    const ready = storedRun(out, best) ?? (yield* this.trained(method, inputs, best.lr as number));
    const whole = ready.test ? ready : yield* this.tested(inputs, ready);
    for (const record of records) removeTrained(out, record);
    if (!alone) yield { kind: 'tested', record: whole };
    return whole;
  }

  /** Stored runs of a search whose best was tested; undefined if anything is left to do. */
  private searched(
    contestant: TunedMethod,
    seed: number,
    lrs: readonly number[],
    nextRates: NextRates,
  ): RunRecord[] | undefined {
    const records: RunRecord[] = [];
    for (let next = nextRates(lrs, records); next.length > 0; next = nextRates(lrs, records)) {
      const record = readRun(this.request.out, { contestant, seed, lr: next[0] });
      if (!record) return undefined;
      records.push(record);
    }
    return bestOf(records)?.test ? records : undefined;
  }

  private async *trained(
    method: TunedMethod,
    inputs: SeedInputs,
    lr: number,
    request = this.request,
  ): AsyncGenerator<CompareEvent, RunRecord> {
    const { data, checkpoint, engine, signal } = this;
    if (this.engineFor !== method) await engine.release();
    this.engineFor = method;
    const { config } = checkpoint;
    return yield* method === SETFIT
      ? trainSetfit({ request, data, checkpoint }, inputs, lr, signal)
      : trainMethod(request, inputs, { contestant: method, lr }, { config, engine }, signal);
  }

  private tested(inputs: SeedInputs, record: RunRecord): AsyncGenerator<CompareEvent, RunRecord> {
    const { request, data, checkpoint, signal } = this;
    return isMasked(record.contestant)
      ? testMethod(request, inputs, record, this.engine, signal)
      : testSetfit({ request, data, checkpoint }, inputs, record, signal);
  }

  private async *regression(seed: number): AsyncGenerator<CompareEvent, RunRecord> {
    const { request, data, checkpoint, signal } = this;
    const stored = readRun(request.out, { contestant: LOGISTIC, seed, lr: null });
    const started = performance.now();
    if (stored) {
      yield this.ended(stored, true);
      return stored;
    }
    this.files ??= yield* embeddedFiles(request, data, checkpoint, signal);
    const record = yield* fitRegression(
      { ...request, parameters: checkpoint.parameters },
      this.inputs(seed),
      data,
      this.files,
      signal,
    );
    yield this.ended(record, false, started);
    return record;
  }

  /** Changes the number of runs, if it is known. */
  extend(by: number): void {
    if (this.total !== null) this.total += by;
  }

  /** Event of a finished run. */
  private ended(record: RunRecord, stored: boolean, started?: number): RunEvent {
    this.done++;
    if (!stored && started !== undefined) this.taken.push((performance.now() - started) / 1000);
    const mean = this.taken.reduce((sum, seconds) => sum + seconds, 0) / this.taken.length;
    const { done, total } = this;
    const remainingSeconds = this.taken.length > 0 && total !== null ? (total - done) * mean : null;
    return { kind: 'run', record, stored, done, total, remainingSeconds };
  }
}
