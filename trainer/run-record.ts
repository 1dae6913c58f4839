import { createHash, randomUUID } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import type { Artifact } from '../artifacts/store';
import { writing } from '../disk';
import type { TrainMetrics } from './options';

const FILE = 'run.json';

/** What a run that has ended came to: its metrics and the delta's files. */
export interface TrainingOutcome {
  metrics: TrainMetrics;
  artifacts: Artifact[];
}

/** What is known of a run beside its checkpoint. */
export interface RunRecord {
  /** What it was asked for, as one hash: see {@link runKey}. */
  key: string;
  /** There once it has ended. */
  outcome?: TrainingOutcome;
}

/** A value as one hash; the order of an object's names does not count. */
export function runKey(asked: unknown): string {
  const ordered = (_: string, part: unknown) =>
    part !== null && typeof part === 'object' && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part;
  return createHash('sha256').update(JSON.stringify(asked, ordered)).digest('hex');
}

/** The record in a run's folder; undefined where there is none that is whole. */
export function readRunRecord(folder: string): RunRecord | undefined {
  try {
    return JSON.parse(fs.readFileSync(path.join(folder, FILE), 'utf8'));
  } catch {
    return undefined;
  }
}

/** Writes the record, whole or not at all. */
export function writeRunRecord(folder: string, record: RunRecord): void {
  fs.mkdirSync(folder, { recursive: true });
  const beside = path.join(folder, `.${FILE}.${randomUUID()}`);
  try {
    writing(path.join(folder, FILE), () => fs.writeFileSync(beside, JSON.stringify(record)));
    fs.renameSync(beside, path.join(folder, FILE));
  } finally {
    fs.rmSync(beside, { force: true });
  }
}
