import * as fsp from 'node:fs/promises';
import * as path from 'node:path';
import { sha256OfFile } from '../../foundation/hash';
import { stagedName } from '../../foundation/output-path';
import { RpcError, status } from '../../proto/status';
import { download, isDamaged } from './download';
import type { FolderArtifacts } from './folder-store';
import { type Objects, readText, type StoredObject } from './objects';

/*
 * Names of a run's objects: `runs/RUN/KEY/ATTEMPT/…`, where KEY is the identity of the training.
 * `begun` shows that the attempt exists, `STEP-SHA256` is a checkpoint, and `outcome.json` the
 * result. An attempt writes below its own number only, so an earlier one that was paused can
 * overwrite nothing of it, on any server.
 */

const ROOT = 'runs/';
const BEGUN = 'begun';
const OUTCOME = 'outcome.json';
const NAME = /^runs\/([^/]+)\/([^/]+)\/(\d+)\/(?:(\d+)-([0-9a-f]{64})|([^/]+))$/;

/** Object of a run. */
interface RunObject extends StoredObject {
  run: string;
  /** Identity of the training. */
  identity: string;
  attempt: number;
  /** Finished steps and SHA-256, if this is a checkpoint. */
  checkpoint?: { step: number; sha256: string };
  /** Last part of its name, if it is none. */
  name?: string;
}

/** Files of trainings, by run, where every trainer reaches them. */
export class RunStore {
  /** @param cache receives downloads */
  constructor(
    private readonly objects: Objects,
    private readonly cache: FolderArtifacts,
  ) {}

  /**
   * Opens a run for one attempt.
   *
   * @param attempt number of the attempt; by default, one more than the latest
   * @throws RpcError ABORTED if a later attempt has begun
   */
  async open(run: string, attempt: number | undefined, signal: AbortSignal): Promise<SharedRun> {
    const found = await this.objectsOf(run, signal);
    const opened = new SharedRun(this.objects, this.cache, run, attempt ?? latestOf(found) + 1, found);
    opened.requireLatest(found);
    return opened;
  }

  /** Removes all files of a run. */
  async remove(run: string): Promise<void> {
    await this.objects.remove((await this.objectsOf(run)).map(({ key }) => key));
  }

  /** Yields each run with the time of its latest write, in milliseconds since the epoch. */
  async *list(): AsyncGenerator<{ run: string; time: number }> {
    const times = new Map<string, number>();
    for await (const { key, time } of this.objects.list(ROOT)) {
      const run = key.split('/')[1];
      times.set(run, Math.max(time, times.get(run) ?? 0));
    }
    for (const [run, time] of times) yield { run, time };
  }

  private async objectsOf(run: string, signal?: AbortSignal): Promise<RunObject[]> {
    return objectsOf(this.objects, run, signal);
  }
}

/** Files of one run, as one attempt uses them. */
export class SharedRun {
  constructor(
    private readonly objects: Objects,
    private readonly cache: FolderArtifacts,
    private readonly run: string,
    private readonly attempt: number,
    private found: readonly RunObject[],
  ) {}

  /** Returns true if the run is new, or belongs to a training of this identity. */
  isOf(identity: string): boolean {
    return this.found.every((object) => object.identity === identity);
  }

  /** Result of the run, from the latest attempt that has one. */
  async outcome(signal: AbortSignal): Promise<unknown> {
    const outcomes = this.found.filter(({ name }) => name === OUTCOME).sort(latestFirst);
    return outcomes.length > 0 ? JSON.parse(await readText(this.objects, outcomes[0].key, signal)) : undefined;
  }

  /** Announces this attempt: earlier ones give up at their next checkpoint. */
  async begin(identity: string): Promise<void> {
    await this.objects.putText(this.keyOf(identity, BEGUN), '');
  }

  /** Finished steps of the newest checkpoint; undefined if there is none. */
  get step(): number | undefined {
    return this.checkpoints()[0]?.checkpoint?.step;
  }

  /**
   * Downloads the newest undamaged checkpoint to `file`, which appears whole.
   *
   * @returns true if there is one
   */
  async restore(file: string, signal: AbortSignal): Promise<boolean> {
    for (const { key, sizeBytes, checkpoint } of this.checkpoints()) {
      const { sha256 } = checkpoint!;
      try {
        await download(this.objects, key, { sha256, sizeBytes }, this.cache, signal);
      } catch (error) {
        if (!isDamaged(error)) throw error;
        continue;
      }
      const beside = path.join(path.dirname(file), stagedName());
      const stored = await this.cache.path(sha256);
      await fsp.link(stored, beside).catch(() => fsp.copyFile(stored, beside));
      await fsp.rename(beside, file);
      await this.cache.remove(sha256);
      return true;
    }
    return false;
  }

  /**
   * Stores a checkpoint, then removes those that it replaces.
   *
   * @throws RpcError ABORTED if a later attempt has begun
   */
  async save(identity: string, step: number, file: string, signal?: AbortSignal): Promise<void> {
    await this.refresh(signal);
    const key = this.keyOf(identity, `${step}-${await sha256OfFile(file)}`);
    await this.objects.put(key, file, signal);
    const replaced = this.checkpoints().filter((object) => object.key !== key && object.attempt <= this.attempt);
    await this.objects.remove(replaced.map((object) => object.key));
  }

  /**
   * Stores the result, then removes all checkpoints.
   *
   * @throws RpcError ABORTED if a later attempt has begun
   */
  async finish(identity: string, outcome: unknown): Promise<void> {
    await this.refresh();
    await this.objects.putText(this.keyOf(identity, OUTCOME), JSON.stringify(outcome));
    await this.objects.remove(this.checkpoints().map(({ key }) => key));
  }

  /** @throws RpcError ABORTED if a later attempt has begun */
  requireLatest(found: readonly RunObject[]): void {
    const latest = latestOf(found);
    if (latest <= this.attempt) return;
    const message = `attempt ${latest} at run ${this.run} has begun: attempt ${this.attempt} is over`;
    throw new RpcError(status.ABORTED, 'ATTEMPT_SUPERSEDED', message);
  }

  private async refresh(signal?: AbortSignal): Promise<void> {
    this.found = await objectsOf(this.objects, this.run, signal);
    this.requireLatest(this.found);
  }

  /** Checkpoints of the latest attempt first, of an attempt the latest step. */
  private checkpoints(): RunObject[] {
    return this.found.filter(({ checkpoint }) => checkpoint).sort(latestFirst);
  }

  private keyOf(identity: string, name: string): string {
    return `${ROOT}${this.run}/${identity}/${this.attempt}/${name}`;
  }
}

async function objectsOf(objects: Objects, run: string, signal?: AbortSignal): Promise<RunObject[]> {
  const found: RunObject[] = [];
  for await (const object of objects.list(`${ROOT}${run}/`, signal)) {
    const [, , identity, attempt, step, sha256, name] = NAME.exec(object.key) ?? [];
    if (identity === undefined) continue;
    const what = name === undefined ? { checkpoint: { step: Number(step), sha256 } } : { name };
    found.push({ ...object, run, identity, attempt: Number(attempt), ...what });
  }
  return found;
}

const latestOf = (found: readonly RunObject[]) => Math.max(0, ...found.map(({ attempt }) => attempt));

const latestFirst = (a: RunObject, b: RunObject) =>
  b.attempt - a.attempt || (b.checkpoint?.step ?? 0) - (a.checkpoint?.step ?? 0);
