import * as fs from 'node:fs';
import * as path from 'node:path';
import { BODY_FILE } from '../trainer/body-training';
import { type RunKey, type RunRecord, readRun, runName } from './run-record';

/** Folder of what a run has trained, until it is tested or another learning rate is better. */
export const trainedFolder = (out: string, key: RunKey) => path.join(out, 'state', 'trained', runName(key));

/** Files of which one is there once a run has trained. */
const TRAINED = [path.join('delta', 'delta.json'), BODY_FILE];

/** Run that needs no training: it was tested, it failed, or what it trained still exists. */
export function storedRun(out: string, key: RunKey): RunRecord | undefined {
  const record = readRun(out, key);
  if (record === undefined || record.test !== null || record.dev === null) return record;
  return TRAINED.some((name) => fs.existsSync(path.join(trainedFolder(out, key), name))) ? record : undefined;
}

/** Removes what a run has trained. */
export function removeTrained(out: string, key: RunKey): void {
  fs.rmSync(trainedFolder(out, key), { recursive: true, force: true });
}
