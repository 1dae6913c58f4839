import * as fs from 'node:fs';
import * as path from 'node:path';
import { invalidInput } from '../errors';
import { writeJson } from '../job/files';
import { type ComparisonSettings, differenceOf } from './settings';

const SETTINGS = 'settings.json';

/**
 * Makes `out` a comparison's: new or empty, or one with the same settings.
 *
 * @throws HifiError INVALID_INPUT where it is of other settings, naming the first that differs, or holds something else
 */
export function claimComparison(out: string, settings: ComparisonSettings): void {
  const file = path.join(out, SETTINGS);
  const before = readSettings(file);
  if (before) {
    const difference = differenceOf(before, settings);
    if (difference === undefined) return;
    throw invalidInput(`--out ${out} is a comparison with other settings: ${difference}; give another --out`);
  }
  const holds = fs.existsSync(out) ? entries(out) : [];
  if (holds.length > 0) {
    throw invalidInput(
      `--out ${out} is not empty (it holds ${holds[0]}): give a new folder, or that of a comparison to go on with`,
    );
  }
  writeJson(file, settings);
}

function readSettings(file: string): ComparisonSettings | undefined {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}

function entries(out: string): string[] {
  try {
    return fs.readdirSync(out);
  } catch (error) {
    throw invalidInput(`--out ${out} is a file: give a folder`, error);
  }
}
