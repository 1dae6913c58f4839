import * as fs from 'node:fs';
import * as path from 'node:path';
import { writeWhole } from '../foundation/whole-file';
import type { WindowsSoFar } from '../infra/telemetry/training-windows';

/**
 * What a run's attempts have told of its training, in a file of the run's folder: the bound on a job's windows holds across them,
 * wherever one was cut.
 */
export class WindowsFile {
  private readonly file: string;

  /** @param run the run's folder */
  constructor(run: string) {
    this.file = path.join(run, 'windows.json');
  }

  /** @returns undefined where nothing was told, or the file is damaged: the bound is then this attempt's alone */
  read(): WindowsSoFar | undefined {
    try {
      const { windows, milliseconds } = JSON.parse(fs.readFileSync(this.file, 'utf8'));
      return Number.isFinite(windows) && Number.isFinite(milliseconds) ? { windows, milliseconds } : undefined;
    } catch {
      return undefined;
    }
  }

  /**
   * A training continues if the file cannot be written: the limit is then the file's previous
   * content.
   */
  write(soFar: WindowsSoFar): void {
    try {
      writeWhole(this.file, JSON.stringify(soFar));
    } catch {
      // The training's own files report a full disk.
    }
  }
}
