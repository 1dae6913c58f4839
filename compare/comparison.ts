import { labelWarnings } from '../data/labels';
import { NO_CLASSES } from '../data/problem';
import { modelFileHashes, rowsIdentity } from '../delta/identity';
import { invalidInput } from '../foundation/errors';
import { selectionOptions, unitsToChoose } from '../heads/select';
import { type Checkpoint, openCheckpoint } from '../model/checkpoint';
import { reportModelOf } from '../model/description';
import { trainerEngine } from '../trainer/training-engine';
import type { Budget } from './budget';
import { claimComparison } from './comparison-folder';
import { ComparisonRuns } from './comparison-runs';
import { type ComparedData, readComparedData } from './data';
import { isMasked, LOGISTIC, type Method, needsClasses, unitsOf } from './methods';
import type { CompareEvent, CompareRequest } from './request';
import type { RunRecord } from './run-record';
import { seedSplit } from './seed-rows';
import { type ComparisonSettings, SPLIT_VERSION } from './settings';
import { selectionFor } from './tuning';
import { type RunsOutcome, withinBudget } from './within-budget';

/** Result of a comparison: its settings and its runs. */
export interface Compared extends RunsOutcome {
  settings: ComparisonSettings;
  /** Layers of the model and heads per layer. */
  model: { layers: number; heads: number };
}

/**
 * Runs every method with every seed, in child processes one after the other. On the first seed it
 * trains with each learning rate, later with the best one on the dev rows. Finished runs are stored
 * and not repeated; an interrupted run continues from its checkpoint. A method is excluded if its
 * training fails at every learning rate, or on a later seed. A budget allows some of the runs; see
 * {@link withinBudget}.
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
  const release = claimComparison(request.out, settings, request.methods);
  const { layers, heads } = checkpoint.config;
  const engine = trainerEngine();
  const runsUntil = (end: AbortSignal, total: number | null) =>
    new ComparisonRuns(request, checkpoint, data, engine, end, total);
  try {
    for (const message of labelWarnings(data.pool, data.labels)) yield { kind: 'warning', message };
    const outcome = request.budget
      ? yield* budgetedRuns(request.budget, (late) => runsUntil(AbortSignal.any([signal, late]), null))
      : yield* everyRun(runsUntil(signal, runsOf(request)));
    return { settings, model: { layers, heads }, ...outcome };
  } finally {
    await engine.close();
    release();
  }
}

/** Runs every method with every seed; a method that fails is excluded. */
async function* everyRun(runs: ComparisonRuns): AsyncGenerator<CompareEvent, RunsOutcome> {
  const { methods, seeds, lrs } = runs.request;
  const rates = new Map<Method, number>();
  const records: RunRecord[] = [];
  const failed = new Map<Method, RunRecord>();
  // A method's learning rate for later seeds is known once the first seed has chosen it.
  for (const seed of lrs.length === 1 ? seeds : seeds.slice(0, 1)) runs.begin(methods, seed, lrs);
  for (const [i, seed] of seeds.entries()) {
    for (const method of methods) {
      if (failed.has(method)) continue;
      const rate = rates.get(method);
      const record = yield* runs.run(method, seed, rate === undefined ? lrs : [rate]);
      if (record.lr !== null) rates.set(method, record.lr);
      if (i === 0 && lrs.length > 1 && record.test) {
        for (const later of seeds.slice(1)) runs.begin([method], later, [record.lr as number]);
      }
      if (record.test) records.push(record);
      else {
        failed.set(method, record);
        runs.extend(-(seeds.length - 1 - i));
      }
    }
    runs.closeSeed(seed);
  }
  return { records: records.filter(({ contestant }) => !failed.has(contestant)), failed: [...failed.values()] };
}

/** Seconds of a budget that are left for writing the results. */
const RESULTS_SECONDS = 3;

/** Runs what a budget allows. Its time began with the process. */
async function* budgetedRuns(
  budget: Budget,
  runsUntil: (signal: AbortSignal) => ComparisonRuns,
): AsyncGenerator<CompareEvent, RunsOutcome> {
  const clock = { now: () => performance.now() / 1000, end: 60 * budget.minutes - RESULTS_SECONDS };
  const late = AbortSignal.timeout(Math.max(0, Math.round(1000 * (clock.end - clock.now()))));
  return yield* withinBudget(runsUntil(late), budget, clock, late);
}

/** Number of runs without a budget, as far as no rate beyond the list is tried. */
function runsOf({ methods, seeds, lrs }: CompareRequest): number {
  const of = (method: Method) => seeds.length + (method === LOGISTIC ? 0 : lrs.length - 1);
  return methods.reduce((sum, method) => sum + of(method), 0);
}

/** @throws HifiError INVALID_INPUT if the model or the data do not allow a method */
function checkMethods(request: CompareRequest, checkpoint: Checkpoint, { labels }: ComparedData): void {
  const model = reportModelOf(checkpoint);
  const noClasses = NO_CLASSES[labels.problem];
  const { methods, size, tune } = request;
  if ('k' in size && size.k !== undefined && unitsOf(methods, tune).size > 1) {
    throw invalidInput(
      `--k ${size.k} would count heads of some methods and neurons of others; leave it out, or give --budget`,
    );
  }
  for (const method of methods) {
    if (isMasked(method)) unitsToChoose(selectionOptions(selectionFor(method, request, 0)), model);
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
