import { labelWarnings } from '../data/labels';
import { modelFileHashes, rowsIdentity } from '../delta/identity';
import { invalidInput } from '../foundation/errors';
import { headsToChoose } from '../heads/select';
import { type Checkpoint, openCheckpoint } from '../model/checkpoint';
import { claimComparison } from './comparison-folder';
import { type Contestant, LOGISTIC } from './contestants';
import { type ComparedData, readComparedData } from './data';
import type { EmbeddingFile } from './features';
import { COMPARED } from './problems';
import { embeddedFiles, regressed } from './regression';
import type { CompareEvent, CompareRequest } from './request';
import { type RunRecord, readRun } from './run-record';
import { SeedMaterial } from './seed-inputs';
import { seedSplit } from './seed-rows';
import { type ComparisonSettings, SPLIT_VERSION } from './settings';
import { bestOf, dropped, selectionFor, tested, trainedBefore, tuned } from './tuning';

/** What a comparison came to. */
export interface Compared {
  settings: ComparisonSettings;
  /** Layers of the model, and heads of each. */
  model: { layers: number; heads: number };
  /** Every run that counts: one a contestant and seed, all tested. */
  records: RunRecord[];
  /** Of each contestant that is out the run that broke off. */
  failed: RunRecord[];
}

/**
 * Runs every contestant with every seed, engines in child processes one after the other: on the first seed once for each learning
 * rate, then with the rate that was best on its dev rows. A run is kept when it ends; those that are there are not made again, and one
 * that was cut goes on from its checkpoint. A contestant whose training breaks off at every rate, or at its rate on a later seed, is out.
 *
 * @throws HifiError INVALID_INPUT for bad input, or an `out` of other settings; CANCELLED by `signal`
 */
export async function* compare(
  request: CompareRequest,
  signal: AbortSignal = new AbortController().signal,
): AsyncGenerator<CompareEvent, Compared> {
  const checkpoint = await openCheckpoint(request.model);
  checkpoint.close();
  const data = await readComparedData(request.train, request.test);
  checkContestants(request, checkpoint, data);
  const settings = settingsOf(request, checkpoint, data);
  for (const seed of request.seeds) seedSplit(data, request.rows, { seed, searchSeed: request.seeds[0] }); // reports too few rows before it writes anything
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
  private readonly materials = new Map<number, SeedMaterial>();
  private files: EmbeddingFile[] | undefined;
  private total: number;
  private done = 0;
  /** Seconds of the runs that this process has made, to tell the rest by. */
  private readonly taken: number[] = [];

  constructor(
    private readonly request: CompareRequest,
    private readonly checkpoint: Checkpoint,
    private readonly data: ComparedData,
    private readonly signal: AbortSignal,
  ) {
    const { contestants, seeds, lrs } = request;
    const runs = (contestant: Contestant) => seeds.length + (contestant === LOGISTIC ? 0 : lrs.length - 1);
    this.total = contestants.reduce((sum, contestant) => sum + runs(contestant), 0);
  }

  async *run(): AsyncGenerator<CompareEvent, Pick<Compared, 'records' | 'failed'>> {
    const { contestants, seeds } = this.request;
    const rates = new Map<Contestant, number>();
    const records: RunRecord[] = [];
    const failed = new Map<Contestant, RunRecord>();
    for (const [i, seed] of seeds.entries()) {
      for (const contestant of contestants) {
        if (failed.has(contestant)) continue;
        const lrs = rates.has(contestant) ? [rates.get(contestant)!] : this.request.lrs;
        const record =
          contestant === LOGISTIC ? yield* this.regression(seed) : yield* this.tuning(contestant, seed, lrs);
        if (record.lr !== null) rates.set(contestant, record.lr);
        if (record.test) records.push(record);
        else {
          failed.set(contestant, record);
          this.total -= seeds.length - 1 - i;
        }
      }
      this.materials.get(seed)?.leave();
      this.materials.delete(seed);
    }
    return { records: records.filter(({ contestant }) => !failed.has(contestant)), failed: [...failed.values()] };
  }

  /** Trains with each of the rates and tests the best; where all have broken off the first of them is given back, untested. */
  private async *tuning(
    contestant: Exclude<Contestant, typeof LOGISTIC>,
    seed: number,
    lrs: readonly number[],
  ): AsyncGenerator<CompareEvent, RunRecord> {
    const { out } = this.request;
    const { signal } = this;
    const keys = lrs.map((lr) => ({ contestant, seed, lr }));
    const recorded = keys.map((key) => readRun(out, key));
    const before = recorded.find((record) => record?.test);
    if (before && recorded.every((record) => record !== undefined)) {
      for (const [i, record] of recorded.entries()) {
        dropped(out, keys[i]);
        yield this.told(record, true);
      }
      return before;
    }
    const material = this.material(seed);
    const records: RunRecord[] = [];
    const alone = keys.length === 1;
    for (const key of keys) {
      const started = performance.now();
      const kept = trainedBefore(out, key);
      let record = kept ?? (yield* tuned(this.request, material, key, this.checkpoint.config, signal));
      if (alone && record.dev) record = yield* tested(this.request, material, record, signal);
      records.push(record);
      yield this.told(record, kept !== undefined, started);
    }
    const best = bestOf(records);
    if (!best) return records[0];
    const whole = best.test ? best : yield* tested(this.request, material, best, signal);
    for (const record of records) dropped(out, record);
    if (!alone) yield { kind: 'tested', record: whole };
    return whole;
  }

  private async *regression(seed: number): AsyncGenerator<CompareEvent, RunRecord> {
    const { request, data, checkpoint, signal } = this;
    const kept = readRun(request.out, { contestant: LOGISTIC, seed, lr: null });
    const started = performance.now();
    if (kept) {
      yield this.told(kept, true);
      return kept;
    }
    this.files ??= yield* embeddedFiles(request, data, checkpoint, signal);
    const record = yield* regressed(
      { ...request, parameters: checkpoint.parameters },
      this.material(seed),
      data,
      this.files,
      signal,
    );
    yield this.told(record, false, started);
    return record;
  }

  private material(seed: number): SeedMaterial {
    const made = this.materials.get(seed) ?? new SeedMaterial(this.request, this.data, seed);
    this.materials.set(seed, made);
    return made;
  }

  /** A run is over. */
  private told(record: RunRecord, kept: boolean, started?: number): CompareEvent {
    this.done++;
    if (!kept && started !== undefined) this.taken.push((performance.now() - started) / 1000);
    const mean = this.taken.reduce((sum, seconds) => sum + seconds, 0) / this.taken.length;
    const remainingSeconds = this.taken.length > 0 ? (this.total - this.done) * mean : null;
    return { kind: 'run', record, kept, done: this.done, total: this.total, remainingSeconds };
  }
}

/** @throws HifiError INVALID_INPUT for what the model or the data do not allow */
function checkContestants(request: CompareRequest, checkpoint: Checkpoint, { labels }: ComparedData): void {
  const { config, parameters } = checkpoint;
  const { noLogistic } = COMPARED[labels.problem];
  for (const contestant of request.contestants) {
    if (contestant !== LOGISTIC) {
      headsToChoose(selectionFor(contestant, request, 0), { ...config, parameters });
    } else if (noLogistic !== undefined) {
      throw invalidInput(`${LOGISTIC} tells classes apart, and ${noLogistic}: leave it out of --strategies`);
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
