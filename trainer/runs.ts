import * as fs from 'node:fs';
import * as path from 'node:path';
import type { TrainEvent, TrainingOutcome, TrainMetrics, TrainRequest } from '../delta/training-options';
import { relayed } from '../foundation/follow';
import type { ResultArtifacts } from '../infra/artifacts/result-artifacts';
import { readRunRecord, writeRunRecord } from './run-record';
import { clearState } from './state';

/** Training whose checkpoint is in the request's `out`. */
type Train = (request: TrainRequest, signal: AbortSignal) => AsyncGenerator<TrainEvent, TrainMetrics>;

/**
 * Trainings by name. The folder of each contains its record and, until it is finished, its
 * checkpoint.
 */
export class Runs {
  private readonly claimed = new Set<string>();

  /** @param folder holds a folder for each run */
  constructor(
    private readonly folder: string,
    private readonly results: ResultArtifacts,
    private readonly train: Train,
  ) {}

  /**
   * Claims the run of that name for one call.
   *
   * @param id also the name of the run's folder
   * @returns undefined while another call has the run
   */
  claim(id: string): ClaimedRun | undefined {
    if (this.claimed.has(id)) return undefined;
    this.claimed.add(id);
    this.sweep(Date.now());
    return new ClaimedRun(path.join(this.folder, id), this.results, this.train, () => this.claimed.delete(id));
  }

  /** Removes runs unused for {@link UNUSED_MS}. @param now milliseconds since the epoch */
  sweep(now: number): void {
    if (!fs.existsSync(this.folder)) return;
    for (const id of fs.readdirSync(this.folder)) {
      const run = path.join(this.folder, id);
      const last = Math.max(
        ...[run, path.join(run, 'state')].map((each) => fs.statSync(each, { throwIfNoEntry: false })?.mtimeMs ?? 0),
      );
      if (!this.claimed.has(id) && now - last > UNUSED_MS) fs.rmSync(run, { recursive: true, force: true });
    }
  }
}

/** Time after which an unused run is removed, in milliseconds: thirty days. */
const UNUSED_MS = 30 * 24 * 3600_000;

/** Run that one call works on exclusively. */
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

  /** Result of the run, if it is finished and its files are still stored. */
  async outcome(signal: AbortSignal): Promise<TrainingOutcome | undefined> {
    const outcome = readRunRecord(this.folder)?.outcome;
    return outcome && (await this.results.keep(outcome.artifacts, signal)) ? outcome : undefined;
  }

  /**
   * Trains, from the last checkpoint if there is one. Stores the delta and then removes the
   * checkpoint.
   *
   * @param key identity of the training, recorded at the first event: the input is valid then
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

/** Removes the folder of a training that was rejected. */
function removeEmpty(folder: string): void {
  if (fs.readdirSync(folder).length === 0) fs.rmdirSync(folder);
}
