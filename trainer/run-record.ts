import * as fs from 'node:fs';
import * as path from 'node:path';
import type { TrainingOutcome } from '../delta/training-options';
import { writeWhole } from '../foundation/whole-file';

const FILE = 'run.json';

/** What is known of a run beside its checkpoint. */
export interface RunRecord {
  /** Hash of the request: see `canonicalHash`. */
  key: string;
  /** There once it has ended. */
  outcome?: TrainingOutcome;
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
  writeWhole(path.join(folder, FILE), JSON.stringify(record));
}
