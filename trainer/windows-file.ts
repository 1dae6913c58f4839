import * as fs from 'node:fs';
import * as path from 'node:path';
import { writeWhole } from '../foundation/whole-file';
import type { WindowsSoFar } from '../infra/telemetry/training-windows';

/**
 * File in a run's folder that counts the windows of all attempts, so that the limit on a job's
 * windows holds across attempts.
 */
export class WindowsFile {
  private readonly file: string;

  /** @param run the run's folder */
  constructor(run: string) {
    this.file = path.join(run, 'windows.json');
  }

  /**
   * Reads the count of earlier attempts; undefined if there is none or the file is damaged. The
   * limit then applies to this attempt alone.
   */
  read(): WindowsSoFar | undefined {
    try {
      const { windows, milliseconds } = JSON.parse(fs.readFileSync(this.file, 'utf8'));
      return Number.isFinite(windows) && Number.isFinite(milliseconds) ? { windows, milliseconds } : undefined;
    } catch {
      return undefined;
    }
  }

  /**
   * Writes the count. A training continues if the file cannot be written; a later attempt then
   * reads the previous count.
   */
  write(soFar: WindowsSoFar): void {
    try {
      writeWhole(this.file, JSON.stringify(soFar));
    } catch {
      // The training's own files report a full disk.
    }
  }
}
