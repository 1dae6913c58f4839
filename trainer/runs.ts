import * as fs from 'node:fs';
import * as path from 'node:path';
import type { TrainEvent, TrainingOutcome, TrainMetrics, TrainRequest } from '../delta/training-options';
import { relayed } from '../foundation/follow';
import type { ResultArtifacts } from '../infra/artifacts/result-artifacts';
import type { RunStore, SharedRun } from '../infra/artifacts/run-store';
import type { Logger } from '../infra/log';
import { readRunRecord, writeRunRecord } from './run-record';
import { SharedCheckpoints } from './shared-checkpoints';
import { clearState, STATE_FILE, savedStep } from './state';

/** Training whose checkpoint is in the request's `out`. */
type Train = (request: TrainRequest, signal: AbortSignal) => AsyncGenerator<TrainEvent, TrainMetrics>;

/** Dependencies of all runs. */
export interface RunParts {
  /** Holds a folder for each run. */
  folder: string;
  /** Folder of the frozen layers' outputs, which runs on the same rows share. */
  prefixes: string;
  results: ResultArtifacts;
  train: Train;
  log: Logger;
  /** Checkpoints and results that other trainers reach too. */
  shared?: RunStore;
}

/**
 * Trainings by name. The folder of each contains its record and, until it is finished, its
 * checkpoint. With a shared store, any trainer resumes a run.
 */
export class Runs {
  private readonly claimed = new Set<string>();

  constructor(private readonly parts: RunParts) {}

  /**
   * Claims the run of that name for one call.
   *
   * @param id also the name of the run's folder
   * @param attempt number of the attempt at the job for which the call is made
   * @returns undefined while another call of this trainer has the run
   * @throws RpcError ABORTED if a later attempt has begun at any trainer
   */
  async claim(id: string, attempt: number | undefined, signal: AbortSignal): Promise<ClaimedRun | undefined> {
    if (this.claimed.has(id)) return undefined;
    this.claimed.add(id);
    const release = () => this.claimed.delete(id);
    try {
      this.sweep(Date.now());
      const shared = await this.parts.shared?.open(id, attempt, signal);
      return new ClaimedRun(path.join(this.parts.folder, id), this.parts, shared, release);
    } catch (error) {
      release();
      throw error;
    }
  }

  /** Removes runs unused for {@link UNUSED_MS}. @param now milliseconds since the epoch */
  sweep(now: number): void {
    const { folder } = this.parts;
    if (!fs.existsSync(folder)) return;
    for (const id of fs.readdirSync(folder)) {
      const run = path.join(folder, id);
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
  private readonly state: string;
  private readonly checkpoint: string;

  constructor(
    private readonly folder: string,
    private readonly parts: Pick<RunParts, 'results' | 'train' | 'log' | 'prefixes'>,
    private readonly shared: SharedRun | undefined,
    readonly release: () => void,
  ) {
    this.state = path.join(folder, 'state');
    this.checkpoint = path.join(this.state, STATE_FILE);
  }

  /**
   * Returns true if the name is new, or belongs to a training with the same identity; see
   * `canonicalHash`.
   */
  isOf(key: string): boolean {
    const record = readRunRecord(this.folder);
    return (record === undefined || record.key === key) && (this.shared?.isOf(key) ?? true);
  }

  /** Result of the run, if it is finished and its files are still stored. */
  async outcome(signal: AbortSignal): Promise<TrainingOutcome | undefined> {
    const outcome =
      readRunRecord(this.folder)?.outcome ?? ((await this.shared?.outcome(signal)) as TrainingOutcome | undefined);
    return outcome && (await this.parts.results.keep(outcome.artifacts, signal)) ? outcome : undefined;
  }

  /**
   * Trains, from the newest checkpoint if there is one, of this trainer or another. Stores the
   * delta and then removes the checkpoints.
   *
   * @param key identity of the training, recorded at the first event: the input is valid then
   * @throws RpcError ABORTED if a later attempt begins
   */
  async *train(
    key: string,
    request: Omit<TrainRequest, 'prefixes' | 'out' | 'resume'>,
    signal: AbortSignal,
  ): AsyncGenerator<TrainEvent, TrainingOutcome> {
    const { folder, shared } = this;
    const { results, log, prefixes } = this.parts;
    fs.mkdirSync(this.state, { recursive: true, mode: 0o700 });
    await this.restore(signal);
    const uploads = shared && new SharedCheckpoints(shared, key, this.checkpoint, log);
    const stop = uploads ? AbortSignal.any([signal, uploads.superseded]) : signal;
    let metrics: TrainMetrics;
    let begun = false;
    try {
      metrics = yield* relayed(
        this.parts.train({ ...request, prefixes, out: folder, resume: true }, stop),
        async function* (event) {
          if (!begun) {
            writeRunRecord(folder, { key });
            await shared?.begin(key);
          }
          begun = true;
          if (event.kind === 'checkpoint') uploads?.saved();
          yield event;
        },
      );
    } catch (error) {
      throw uploads?.superseded.aborted ? uploads.superseded.reason : error;
    } finally {
      await uploads?.end();
      removeEmpty(this.state);
      removeEmpty(folder);
    }
    const delta = path.join(folder, 'delta');
    const outcome = { metrics, artifacts: await results.add(delta, 'delta', signal) };
    writeRunRecord(folder, { key, outcome });
    await shared?.finish(key, outcome);
    clearState(this.state);
    fs.rmSync(delta, { recursive: true, force: true });
    return outcome;
  }

  /** Takes over another trainer's checkpoint if it is newer than this one's. */
  private async restore(signal: AbortSignal): Promise<void> {
    const { shared, checkpoint } = this;
    if (shared?.step === undefined || shared.step <= (savedStep(checkpoint) ?? -1)) return;
    await shared.restore(checkpoint, signal);
  }
}

/** Removes the folder of a training that was rejected. */
function removeEmpty(folder: string): void {
  if (fs.readdirSync(folder).length === 0) fs.rmdirSync(folder);
}
