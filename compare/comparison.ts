import { labelWarnings } from '../data/labels';
import { NO_CLASSES } from '../data/problem';
import { modelFileHashes, rowsIdentity } from '../delta/identity';
import { invalidInput } from '../foundation/errors';
import { selectionOptions, unitsToChoose } from '../heads/select';
import { type Checkpoint, openCheckpoint } from '../model/checkpoint';
import { reportModelOf } from '../model/description';
import { claimComparison } from './comparison-folder';
import { type ComparedData, readComparedData } from './data';
import type { EmbeddingFile } from './features';
import { furtherOf, LOGISTIC, type Method, mixesUnits, needsClasses, type TunedMethod } from './methods';
import { bestOf, ratesAfter } from './rate-search';
import { embeddedFiles, fitRegression } from './regression';
import type { CompareEvent, CompareRequest } from './request';
import { type RunRecord, readRun } from './run-record';
import { SeedInputs } from './seed-inputs';
import { seedSplit } from './seed-rows';
import { type ComparisonSettings, SPLIT_VERSION } from './settings';
import { removeDelta, runOf, selectionFor, storedRun, testMethod, trainMethod } from './tuning';

/** Result of a comparison. */
export interface Compared {
  settings: ComparisonSettings;
  /** Layers of the model and heads per layer. */
  model: { layers: number; heads: number };
  /** Tested runs that count: one per method and seed. */
  records: RunRecord[];
  /** Failed run of each excluded method. */
  failed: RunRecord[];
}

/**
 * Runs every method with every seed, in child processes one after the other. On the first seed it
 * trains with each learning rate, later with the best one on the dev rows. Finished runs are stored
 * and not repeated; an interrupted run continues from its checkpoint. A method is excluded if its
 * training fails at every learning rate, or on a later seed.
 *
 * @throws HifiError INVALID_INPUT for bad input, or an `out` with other settings; CANCELLED by
 *   `signal`
 */
export async function* compare(
  request: CompareRequest,
  signal: AbortSignal = new AbortController().signal,
): AsyncGenerator<CompareEvent, Compared> {
  const checkpoint = await openCheckpoint(request.model);
  checkpoint.close();
  const data = await readComparedData(request.train, request.test);
  checkMethods(request, checkpoint, data);
  const settings = settingsOf(request, checkpoint, data);
  // Reports too few rows before anything is written.
  for (const seed of request.seeds) seedSplit(data, request.rows, { seed, searchSeed: request.seeds[0] });
  const release = claimComparison(request.out, settings);
  const { layers, heads } = checkpoint.config;
  try {
    for (const message of labelWarnings(data.pool, data.labels)) yield { kind: 'warning', message };
    return { settings, model: { layers, heads }, ...(yield* new Comparison(request, checkpoint, data, signal).run()) };
  } finally {
    release();
  }
}

class Comparison {
  private readonly inputsBySeed = new Map<number, SeedInputs>();
  private files: EmbeddingFile[] | undefined;
  private total: number;
  private done = 0;
  /** Seconds of the runs of this process, from which the remaining time follows. */
  private readonly taken: number[] = [];

  constructor(
    private readonly request: CompareRequest,
    private readonly checkpoint: Checkpoint,
    private readonly data: ComparedData,
    private readonly signal: AbortSignal,
  ) {
    const { methods, seeds, lrs } = request;
    const runs = (method: Method) => seeds.length + (method === LOGISTIC ? 0 : lrs.length - 1);
    this.total = methods.reduce((sum, method) => sum + runs(method), 0);
  }

  async *run(): AsyncGenerator<CompareEvent, Pick<Compared, 'records' | 'failed'>> {
    const { methods, seeds } = this.request;
    const rates = new Map<Method, number>();
    const records: RunRecord[] = [];
    const failed = new Map<Method, RunRecord>();
    // A method's learning rate for later seeds is known once the first seed has chosen it.
    const { lrs } = this.request;
    for (const seed of lrs.length === 1 ? seeds : seeds.slice(0, 1)) this.begin(methods, seed, lrs);
    for (const [i, seed] of seeds.entries()) {
      for (const method of methods) {
        if (failed.has(method)) continue;
        const rate = rates.get(method);
        const tried = rate === undefined ? lrs : [rate];
        const record = method === LOGISTIC ? yield* this.regression(seed) : yield* this.tuning(method, seed, tried);
        if (record.lr !== null) rates.set(method, record.lr);
        if (i === 0 && lrs.length > 1 && record.test) {
          for (const later of seeds.slice(1)) this.begin([method], later, [record.lr as number]);
        }
        if (record.test) records.push(record);
        else {
          failed.set(method, record);
          this.total -= seeds.length - 1 - i;
        }
      }
      this.inputsBySeed.get(seed)?.removeLargeFiles();
      this.inputsBySeed.delete(seed);
    }
    return { records: records.filter(({ contestant }) => !failed.has(contestant)), failed: [...failed.values()] };
  }

  /** Begins the runs of a seed that are not stored, if they run elsewhere. */
  private begin(methods: readonly Method[], seed: number, lrs: readonly number[]): void {
    const { request, checkpoint } = this;
    if (!request.place) return;
    for (const contestant of methods) {
      if (contestant === LOGISTIC || furtherOf(contestant, checkpoint.config)) continue;
      for (const lr of lrs) {
        const key = { contestant, seed, lr };
        if (!storedRun(request.out, key)) request.place.begin(runOf(request, this.inputs(seed), key));
      }
    }
  }

  /**
   * Trains with each learning rate, and beyond an end of them while that is the best, and tests the
   * best. If all fail, returns the first run.
   */
  private async *tuning(
    method: TunedMethod,
    seed: number,
    lrs: readonly number[],
  ): AsyncGenerator<CompareEvent, RunRecord> {
    const { out } = this.request;
    const { signal } = this;
    const before = this.searched(method, seed, lrs);
    if (before) {
      this.total += before.length - lrs.length;
      for (const record of before) {
        removeDelta(out, record);
        yield this.ended(record, true);
      }
      return bestOf(before) as RunRecord;
    }
    const inputs = this.inputs(seed);
    const trained = (lr: number) =>
      trainMethod(this.request, inputs, { contestant: method, lr }, this.checkpoint.config, signal);
    const records: RunRecord[] = [];
    const alone = lrs.length === 1;
    for (let next = ratesAfter(lrs, records); next.length > 0; next = ratesAfter(lrs, records)) {
      const [lr] = next;
      const key = { contestant: method, seed, lr };
      const started = performance.now();
      const stored = alone ? storedRun(out, key) : readRun(out, key);
      let record = stored ?? (yield* trained(lr));
      if (alone && record.dev) record = yield* testMethod(this.request, inputs, record, signal);
      if (records.length >= lrs.length) this.total++; // a rate beyond the list
      records.push(record);
      yield this.ended(record, stored !== undefined, started);
    }
    const best = bestOf(records);
    if (!best) return records[0];
    // An earlier search may have ended with another best, and removed this one's delta.
    const ready =
      storedRun(out, best as RunRecord & { contestant: TunedMethod }) ?? (yield* trained(best.lr as number));
    const whole = ready.test ? ready : yield* testMethod(this.request, inputs, ready, signal);
    for (const record of records) removeDelta(out, record);
    if (!alone) yield { kind: 'tested', record: whole };
    return whole;
  }

  /** Stored runs of a search whose best was tested; undefined if anything is left to do. */
  private searched(contestant: TunedMethod, seed: number, lrs: readonly number[]): RunRecord[] | undefined {
    const records: RunRecord[] = [];
    for (let next = ratesAfter(lrs, records); next.length > 0; next = ratesAfter(lrs, records)) {
      const record = readRun(this.request.out, { contestant, seed, lr: next[0] });
      if (!record) return undefined;
      records.push(record);
    }
    return bestOf(records)?.test ? records : undefined;
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

  private inputs(seed: number): SeedInputs {
    const inputs = this.inputsBySeed.get(seed) ?? new SeedInputs(this.request, this.data, seed);
    this.inputsBySeed.set(seed, inputs);
    return inputs;
  }

  /** Event of a finished run. */
  private ended(record: RunRecord, stored: boolean, started?: number): CompareEvent {
    this.done++;
    if (!stored && started !== undefined) this.taken.push((performance.now() - started) / 1000);
    const mean = this.taken.reduce((sum, seconds) => sum + seconds, 0) / this.taken.length;
    const remainingSeconds = this.taken.length > 0 ? (this.total - this.done) * mean : null;
    return { kind: 'run', record, stored, done: this.done, total: this.total, remainingSeconds };
  }
}

/** @throws HifiError INVALID_INPUT if the model or the data do not allow a method */
function checkMethods(request: CompareRequest, checkpoint: Checkpoint, { labels }: ComparedData): void {
  const model = reportModelOf(checkpoint);
  const noClasses = NO_CLASSES[labels.problem];
  const { methods, size, tune } = request;
  if ('k' in size && size.k !== undefined && mixesUnits(methods, tune)) {
    throw invalidInput(
      `--k ${size.k} would count heads of some methods and neurons of others; leave it out, or give --budget`,
    );
  }
  for (const method of methods) {
    if (method !== LOGISTIC) unitsToChoose(selectionOptions(selectionFor(method, request, 0)), model);
    if (noClasses !== undefined && needsClasses(method)) {
      throw invalidInput(`${method} needs classes, and ${noClasses}: remove it from --strategies`);
    }
  }
}

function settingsOf(request: CompareRequest, { name, sha256 }: Checkpoint, data: ComparedData): ComparisonSettings {
  const { model, train, rows, size, tune, lrs, seeds, training, samples } = request;
  const { sha256: _, ...columns } = rowsIdentity(train, data.pool.sha256);
  return {
    schemaVersion: SPLIT_VERSION,
    model: { name, sha256, files: modelFileHashes(model) },
    data: { train: data.pool.sha256, test: data.further.map((set) => set.sha256), columns },
    rows,
    size,
    tune,
    lrs,
    searchSeed: seeds[0],
    training,
    samples,
  };
}
