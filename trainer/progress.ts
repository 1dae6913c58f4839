import type { StageProgress } from './options';

/** Least time between two progress events of a stage, in milliseconds; the last one always comes. */
const INTERVAL = 250;

/** Tells how far a stage is, with its rate since it began, no more often than a reader can follow. */
export class StageMeter {
  private readonly start = performance.now();
  private last = Number.NEGATIVE_INFINITY;

  /** @param from what was done before this stage began (by a run that was cut) */
  constructor(
    private readonly stage: string,
    private readonly unit: string,
    private readonly total: number,
    private readonly from = 0,
  ) {}

  /** An event where one is due. */
  at(done: number, loss?: number): StageProgress[] {
    const now = performance.now();
    if (now - this.last < INTERVAL && done < this.total) return [];
    this.last = now;
    const seconds = (now - this.start) / 1000;
    const rate = done > this.from && seconds > 0 ? (done - this.from) / seconds : undefined;
    return [
      {
        kind: 'progress',
        stage: this.stage,
        done,
        total: this.total,
        unit: this.unit,
        rate,
        remainingSeconds: rate && (this.total - done) / rate,
        loss,
      },
    ];
  }
}
