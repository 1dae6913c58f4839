import * as fs from 'node:fs';
import * as path from 'node:path';
import { invalidInput } from '../foundation/errors';
import { checkPlace, isStaged } from '../foundation/output-path';
import { lockFor } from '../infra/process-lock';
import { writeJson } from '../job/files';
import { entries } from '../job/out';
import type { Method } from './methods';
import { type ComparisonSettings, settingsDifference } from './settings';

const SETTINGS = 'settings.json';

/**
 * Checks that `out` can receive a comparison's results: new, empty, or a comparison's folder.
 * Leaves nothing behind.
 *
 * @throws HifiError INVALID_INPUT if it holds something else or cannot be written
 */
export function checkComparisonFolder(out: string): void {
  const names = entries(out);
  const foreign = names.includes(SETTINGS) ? undefined : names.find((name) => !isStaged(name));
  if (foreign !== undefined) {
    throw invalidInput(
      `--out ${out} is not empty (it holds ${foreign}): give a new folder, or that of a comparison to resume`,
    );
  }
  checkPlace(out, 'folder');
}

/**
 * Claims `out` for a comparison and this process: a new or empty folder, or one with the same
 * settings.
 *
 * @returns function that releases the folder
 * @throws HifiError INVALID_INPUT if `out` has other settings, with the first that differs, holds
 *   something else, or is in use by another process
 */
export function claimComparison(out: string, settings: ComparisonSettings, methods: readonly Method[]): () => void {
  checkComparisonFolder(out);
  const file = path.join(out, SETTINGS);
  const stored = readSettings(file);
  if (stored) {
    const difference = settingsDifference(stored, settings, methods);
    if (difference !== undefined) {
      throw invalidInput(`--out ${out} is a comparison with other settings: ${difference}; give another --out`);
    }
  } else {
    writeJson(file, settings);
  }
  fs.mkdirSync(path.join(out, 'state'), { recursive: true });
  return lockFor(path.join(out, 'state', 'lock'), `--out ${out}`, { otherwise: 'another --out' });
}

function readSettings(file: string): ComparisonSettings | undefined {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}
