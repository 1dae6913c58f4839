import { existsSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import * as path from 'node:path';
import { HifiError } from '../foundation/errors';
import type { SharedRun } from '../infra/artifacts/run-store';
import type { Logger } from '../infra/log';
import { RpcError } from '../proto/status';
import { savedStep } from './state';

/** Longest time that uploads may take after the end of a training, in milliseconds. */
const LAST_MS = 20_000;

/** Name of the checkpoint that is being uploaded. */
const UPLOADED = 'uploaded.safetensors';

/**
 * Uploads the checkpoints of a training beside its steps, one at a time and only the newest. The
 * training does not wait for them, and continues if one fails.
 */
export class SharedCheckpoints {
  /** Finished steps of the newest checkpoint that other trainers can resume. */
  private stored: number;
  private uploading: Promise<void> | undefined;
  private waiting = false;
  private readonly over = new AbortController();
  private readonly late = new AbortController();

  /**
   * @param identity identity of the training
   * @param file checkpoint, replaced by each newer one
   */
  constructor(
    private readonly run: SharedRun,
    private readonly identity: string,
    private readonly file: string,
    private readonly log: Logger,
  ) {
    this.stored = run.step ?? -1;
  }

  /** Aborts with the error when a later attempt has begun: this one must end. */
  get superseded(): AbortSignal {
    return this.over.signal;
  }

  /** Called after each new checkpoint. */
  saved(): void {
    this.waiting = true;
    this.uploading ??= this.uploadAll();
  }

  /** Uploads the newest checkpoint if no one else has it; called when the training has ended. */
  async end(): Promise<void> {
    const timer = setTimeout(() => this.late.abort(), LAST_MS);
    await this.uploading;
    if (!this.over.signal.aborted) await this.upload();
    clearTimeout(timer);
  }

  private async uploadAll(): Promise<void> {
    while (this.waiting && !this.over.signal.aborted) {
      this.waiting = false;
      await this.upload();
    }
    this.uploading = undefined;
  }

  private async upload(): Promise<void> {
    // The training may replace the file in the meantime, and sweeps what is staged.
    const own = path.join(path.dirname(this.file), UPLOADED);
    try {
      await fs.rm(own, { force: true }); // of a process that was killed
      await fs.link(this.file, own);
      const step = savedStep(own);
      if (step === undefined || step <= this.stored) return;
      await this.run.save(this.identity, step, own, this.late.signal);
      this.stored = step;
    } catch (error) {
      if (error instanceof RpcError && error.reason === 'ATTEMPT_SUPERSEDED') this.over.abort(error);
      else if (existsSync(this.file)) {
        this.log.warn({ err: HifiError.from(error) }, 'a checkpoint could not be stored for other trainers');
      }
    } finally {
      await fs.rm(own, { force: true });
    }
  }
}
