import * as fs from 'node:fs';
import * as path from 'node:path';
import type { TrainingOutcome } from '../delta/training-options';
import { writeWhole } from '../foundation/whole-file';

const FILE = 'run.json';

/** Record of a run, stored beside its checkpoint. */
export interface RunRecord {
  /** Hash of the request: see `canonicalHash`. */
  key: string;
  /** Result of a finished run. */
  outcome?: TrainingOutcome;
}

/** Reads the record in a run's folder; undefined if there is none or it is damaged. */
export function readRunRecord(folder: string): RunRecord | undefined {
  try {
    return JSON.parse(fs.readFileSync(path.join(folder, FILE), 'utf8'));
  } catch {
    return undefined;
  }
}

/** Writes the record, atomically. */
export function writeRunRecord(folder: string, record: RunRecord): void {
  writeWhole(path.join(folder, FILE), JSON.stringify(record));
}
