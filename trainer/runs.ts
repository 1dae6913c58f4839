import * as fs from 'node:fs';
import * as path from 'node:path';
import type { TrainEvent, TrainingOutcome, TrainMetrics, TrainRequest } from '../delta/training-options';
import { relayed } from '../foundation/follow';
import type { ResultArtifacts } from '../infra/artifacts/result-artifacts';
import { readRunRecord, writeRunRecord } from './run-record';
import { clearState } from './state';

/** Trains, with its checkpoint in the request's `out`. */
type Train = (request: TrainRequest, signal: AbortSignal) => AsyncGenerator<TrainEvent, TrainMetrics>;

/** Trainings by name: each has a folder with its checkpoint while it is not done, and its record. */
export class Runs {
  private readonly claimed = new Set<string>();

  /** @param folder holds a folder for each run */
  constructor(
    private readonly folder: string,
    private readonly results: ResultArtifacts,
    private readonly train: Train,
  ) {}

  /**
   * The run of that name, for one call.
   *
   * @param id a file's name
   * @returns undefined while another call has it
   */
  claim(id: string): ClaimedRun | undefined {
    if (this.claimed.has(id)) return undefined;
    this.claimed.add(id);
    this.sweep(Date.now());
    return new ClaimedRun(path.join(this.folder, id), this.results, this.train, () => this.claimed.delete(id));
  }

  /** Forgets runs that nobody has gone on with for long. @param now milliseconds since the epoch */
  sweep(now: number): void {
    if (!fs.existsSync(this.folder)) return;
    for (const id of fs.readdirSync(this.folder)) {
      const run = path.join(this.folder, id);
      const last = Math.max(
        ...[run, path.join(run, 'state')].map((each) => fs.statSync(each, { throwIfNoEntry: false })?.mtimeMs ?? 0),
      );
      if (!this.claimed.has(id) && now - last > KEPT_MS) fs.rmSync(run, { recursive: true, force: true });
    }
  }
}

/** How long a run that nobody goes on with is kept, in milliseconds: thirty days. */
const KEPT_MS = 30 * 24 * 3600_000;

/** A run that one call alone works on. */
export class ClaimedRun {
  constructor(
    private readonly folder: string,
    private readonly results: ResultArtifacts,
    private readonly engine: Train,
    readonly release: () => void,
  ) {}

  /**
   * Returns true if the name is new, or belongs to a training with the same identity; see
   * `canonicalHash`.
   */
  isOf(key: string): boolean {
    const record = readRunRecord(this.folder);
    return record === undefined || record.key === key;
  }

  /** What the run came to before, where its files are there still. */
  async outcome(signal: AbortSignal): Promise<TrainingOutcome | undefined> {
    const outcome = readRunRecord(this.folder)?.outcome;
    return outcome && (await this.results.keep(outcome.artifacts, signal)) ? outcome : undefined;
  }

  /**
   * Trains, from the last checkpoint on where there is one; keeps the delta and then has no more use for the checkpoint.
   *
   * @param key the name is its own from the first event on: then the input was found to be good
   */
  async *train(
    key: string,
    request: Omit<TrainRequest, 'out' | 'resume'>,
    signal: AbortSignal,
  ): AsyncGenerator<TrainEvent, TrainingOutcome> {
    const { folder } = this;
    fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
    let metrics: TrainMetrics;
    let begun = false;
    try {
      metrics = yield* relayed(this.engine({ ...request, out: folder, resume: true }, signal), function* (event) {
        if (!begun) writeRunRecord(folder, { key });
        begun = true;
        yield event;
      });
    } finally {
      removeEmpty(folder);
    }
    const delta = path.join(folder, 'delta');
    const outcome = { metrics, artifacts: await this.results.add(delta, 'delta', signal) };
    writeRunRecord(folder, { key, outcome });
    clearState(path.join(folder, 'state'));
    fs.rmSync(delta, { recursive: true, force: true });
    return outcome;
  }
}

/** A training that was refused leaves no folder. */
function removeEmpty(folder: string): void {
  if (fs.readdirSync(folder).length === 0) fs.rmdirSync(folder);
}
