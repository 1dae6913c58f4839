import { budgetMethods, budgetNotes, reachedReference } from '../../compare/budget-notes';
import type { Method } from '../../compare/methods';
import type { CompareEvent, CompareRequest } from '../../compare/request';
import type { RunRecord } from '../../compare/run-record';
import { type RunsOutcome, type SpentRuns, withinBudget } from '../../compare/within-budget';
import { cancelled } from '../../foundation/errors';

/**
 * Runs on a clock that only they move: an epoch and a test take a second each, an epoch of `hifi`
 * two. The dev metric is the rate, half a point more for `hifi`; `bottom` always fails.
 */
class TimedRuns implements SpentRuns {
  time = 0;
  readonly late = new AbortController();
  readonly started: string[] = [];
  readonly ended = new Set<string>();

  constructor(
    readonly request: CompareRequest,
    private readonly end: number,
    private readonly stored = new Map<string, RunRecord>(),
  ) {}

  /** The same runs in another process, with all that is stored. */
  continued = (end: number) => new TimedRuns(this.request, end, this.stored);

  shortRun: SpentRuns['shortRun'] = async function* (this: TimedRuns, method, seed, lr, { epochs, out }) {
    const stored = this.stored.has(this.name(out, method, seed, lr));
    const record = this.trained(method, seed, lr, epochs, out);
    yield { kind: 'run', record, epochs, stored, done: 0, total: null, remainingSeconds: null };
    return record;
  };

  run: SpentRuns['run'] = async function* (this: TimedRuns, method, seed, lrs) {
    const { epochs } = this.request.training;
    const records: RunRecord[] = [];
    for (const lr of method === 'logistic' ? [null] : lrs) {
      const stored = this.stored.has(this.name('out', method, seed, lr));
      const record = this.trained(method, seed, lr, epochs, 'out');
      records.push(record);
      yield { kind: 'run', record, stored, done: 0, total: null, remainingSeconds: null };
    }
    const best = records.reduce((a, b) => ((b.dev?.value ?? -1) > (a.dev?.value ?? -1) ? b : a));
    if (!best.dev || best.test) return best;
    this.takes(1);
    const whole = { ...best, test: { rows: 1, metrics: {} }, seconds: { ...best.seconds, test: 1 } };
    this.stored.set(this.name('out', method, seed, best.lr), whole);
    yield { kind: 'tested', record: whole };
    return whole;
  };

  missing: SpentRuns['missing'] = (method, seed, lrs, out = 'out') => {
    const keys = method === 'logistic' ? [null] : lrs;
    const found = keys.flatMap((lr) => this.stored.get(this.name(out, method, seed, lr)) ?? []);
    return { trainings: keys.length - found.length, test: !found.some(({ test }) => test) };
  };

  closeSeed = () => {};

  private name = (out: string, method: Method, seed: number, lr: number | null) => `${out} ${method} ${seed} ${lr}`;

  private trained(contestant: Method, seed: number, lr: number | null, epochs: number, out: string): RunRecord {
    const name = this.name(out, contestant, seed, lr);
    const known = this.stored.get(name);
    if (known) return known;
    const run = `${contestant} ${lr} seed ${seed} epochs ${epochs}`;
    this.started.push(run);
    const seconds = contestant === 'logistic' ? 0 : epochs * (contestant === 'hifi' ? 2 : 1);
    this.takes(seconds);
    this.ended.add(run);
    const dev = contestant === 'bottom' ? null : { value: (lr ?? 0) + (contestant === 'hifi' ? 0.5 : 0), epoch: 1 };
    const record = {
      ...{ contestant, seed, lr, dev, test: null },
      seconds: { selection: 0, run: seconds, test: 0 },
    } as unknown as RunRecord;
    this.stored.set(name, record);
    return record;
  }

  private takes(seconds: number): void {
    this.time += seconds;
    if (this.time <= this.end) return;
    this.time = this.end;
    this.late.abort();
    throw cancelled();
  }
}

const request = (change: Partial<CompareRequest> = {}) =>
  ({
    ...{ methods: ['random', 'hifi', 'full', 'bottom', 'logistic'], seeds: [0, 1, 2], lrs: [1, 2], out: 'out' },
    training: { epochs: 4 },
    ...change,
  }) as CompareRequest;

async function spent(
  seconds: number,
  change?: Partial<CompareRequest>,
  runs = new TimedRuns(request(change), seconds),
  reference: Method = 'random',
): Promise<RunsOutcome & { runs: TimedRuns; rungs: CompareEvent[] }> {
  const clock = { now: () => runs.time, end: seconds };
  const events = withinBudget(runs, { minutes: 1, reference }, clock, runs.late.signal);
  const rungs: CompareEvent[] = [];
  for (;;) {
    const { done, value } = await events.next();
    if (done) return { ...value, runs, rungs };
    if (value.kind === 'rung') rungs.push(value);
  }
}

const keysOf = (candidates: readonly { contestant: string; lr: number | null }[]) =>
  candidates.map(({ contestant, lr }) => `${contestant} ${lr}`);
const tested = ({ records }: RunsOutcome) => records.map(({ contestant, lr, seed }) => `${contestant} ${lr} ${seed}`);

test('with time enough, each rung halves the candidates and the last ones have all seeds', async () => {
  const found = await spent(1000);
  const { rungs, notReached } = found.budget!;
  expect(rungs.map(({ epochs }) => epochs)).toEqual([1, 2]);
  expect(found.rungs).toEqual(rungs.map((rung) => ({ kind: 'rung', rung })));
  expect(keysOf(rungs[0].kept)).toEqual(['hifi 2', 'random 2', 'full 2']);
  expect(keysOf(rungs[0].dropped)).toEqual(['random 1', 'hifi 1', 'full 1', 'bottom 1', 'bottom 2']);
  expect(rungs[0].dropped.map(({ dev }) => dev)).toEqual([1, 1.5, 1, null, null]);
  expect(keysOf(rungs[1].kept)).toEqual(['hifi 2', 'random 2']);
  expect([...rungs.flatMap((rung) => [...rung.noTime, ...rung.notReached]), ...notReached]).toEqual([]);
  expect(tested(found)).toEqual(
    [0, 1, 2].flatMap((seed) => [`hifi 2 ${seed}`, `random 2 ${seed}`, `logistic null ${seed}`]),
  );
  expect(found.failed).toEqual([]);
  expect(budgetMethods(found.budget!)).toEqual(['hifi', 'random', 'full', 'bottom']);
  expect(budgetNotes(found.budget!, 'random').slice(1)).toEqual([
    'rung of 1 epoch: kept hifi 2 (dev 2.5000); random 2 (dev 2.0000); full 2 (dev 2.0000); dropped random 1 (dev 1.0000); hifi 1 (dev 1.5000); full 1 (dev 1.0000); bottom 1 (failed), 2 (failed)',
    'rung of 2 epochs: kept hifi 2 (dev 2.5000); random 2 (dev 2.0000); dropped full 2 (dev 2.0000)',
  ]);
});

test('no budget is exceeded, nothing is lost, and the same command continues', async () => {
  const complete = tested(await spent(1000));
  for (let seconds = 1; seconds <= 80; seconds++) {
    const found = await spent(seconds);
    const { runs, records, budget } = found;
    const { rungs, notReached } = budget!;
    expect(runs.time).toBeLessThanOrEqual(seconds);
    const done = tested(found);
    const left = notReached.map(({ contestant, lr, seed }) => `${contestant} ${lr} ${seed}`);
    expect(new Set([...done, ...left]).size).toBe(done.length + left.length);
    // A method's seeds are the first ones.
    for (const { contestant, seed, lr } of records) {
      for (let before = 0; before < seed; before++) expect(done).toContain(`${contestant} ${lr} ${before}`);
    }
    for (const { kept, dropped, noTime, notReached: without } of rungs) {
      const keys = keysOf([...kept, ...dropped, ...noTime, ...without]);
      expect(new Set(keys).size).toBe(keys.length);
    }
    // Every method has a row, or is in a list that says why not.
    const why = rungs.flatMap((rung) => [...rung.dropped, ...rung.noTime, ...rung.notReached]);
    const named = [...records, ...found.failed, ...why, ...notReached].map(({ contestant }) => contestant);
    expect(new Set(named)).toEqual(new Set(runs.request.methods));
    const reference = () => reachedReference(found, budget!);
    if (done.length === 0) expect(reference).toThrow(/^--minutes 1 is over before any method/);
    else expect(records.map(({ contestant }) => contestant)).toContain(reference());

    const again = runs.continued(1000);
    expect(tested(await spent(1000, undefined, again))).toEqual(complete);
    expect(again.started.filter((name) => runs.ended.has(name))).toEqual([]);
  }
});

test('a run does not start if its measured cost does not fit; one without a cost is cancelled at the end', async () => {
  // The first rung starts runs to 3.7 s, a third of the budget. `hifi` has its best value, and all
  // its epochs would take 8 s. The second starts runs to 7.5 s: `full` would end at 8 s.
  const found = await spent(11, { seeds: [0] });
  const [first, second] = found.budget!.rungs;
  expect(keysOf([...first.kept, ...first.dropped])).toEqual(['random 1', 'full 1']);
  const hifi = { contestant: 'hifi', seconds: 8 };
  expect(first.noTime).toEqual([
    { ...hifi, lr: 1, dev: 1.5 },
    { ...hifi, lr: 2 },
  ]);
  expect(keysOf(first.notReached)).toEqual(['bottom 1', 'random 2', 'full 2', 'bottom 2']);
  expect([keysOf(second.kept), second.noTime]).toEqual([['random 1'], [{ contestant: 'full', lr: 1, seconds: 4 }]]);
  // Their whole runs are among those without time.
  expect(keysOf(found.budget!.notReached)).toEqual(['hifi 1', 'hifi 2', 'full 1', 'logistic null']);
  const untested = () => reachedReference({ records: [], failed: [] }, { ...found.budget!, rungs: [first] });
  expect(untested).toThrow(': 3 shorter runs are kept;'); // that of `hifi` too
  expect(budgetNotes(found.budget!, 'random').slice(2)).toEqual([
    'rung of 2 epochs: kept random 1 (dev 1.0000); dropped none; no time for the whole run: full 1 (about 4.0 s)',
    'not reached with all epochs: hifi at 1 seed 0; hifi at 2 seed 0; full at 1 seed 0; logistic seed 0',
  ]);
  expect(tested(found)).toEqual(['random 1 0']);
  expect(found.runs.late.signal.aborted).toBe(false);
  // 4 epochs of `hifi` take 8 s; nothing is known of it before.
  const unknown = await spent(3, { methods: ['hifi'], lrs: [1] }, undefined, 'hifi');
  expect(unknown.runs.late.signal.aborted).toBe(true);
  expect(unknown.budget!.notReached.map(({ seed }) => seed)).toEqual([0]);
});

test('without rungs, a method has as many of its rates as fit, and later seeds have the best', async () => {
  const found = await spent(1000, { methods: ['random', 'logistic'], training: { epochs: 1 } as never });
  expect(found.budget!.rungs).toEqual([]);
  expect(tested(found)).toEqual([0, 1, 2].flatMap((seed) => [`random 2 ${seed}`, `logistic null ${seed}`]));
});

test('a reference for which there was no time is another one, and the notes say so', async () => {
  const found = await spent(8, { methods: ['full', 'hifi'], lrs: [1] }, undefined, 'hifi');
  expect(tested(found)).toEqual(['full 1 0']);
  expect(reachedReference(found, found.budget!)).toBe('full');
  expect(budgetNotes(found.budget!, 'full').slice(-2)).toEqual([
    'not reached with all epochs: hifi at 1 seed 0; full at 1 seed 1, seed 2',
    'no time was left for hifi: the reference is full',
  ]);
});

test('a cancellation by the user is none by the budget', async () => {
  const runs = new TimedRuns(request(), 1000);
  runs.shortRun = () => {
    throw cancelled();
  };
  await expect(spent(1000, undefined, runs)).rejects.toMatchObject({ code: 'CANCELLED' });
});
