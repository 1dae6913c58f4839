import type { AnalysisEvent } from './request';

type Progress = Extract<AnalysisEvent, { kind: 'progress' }>;

/** A stage's progress events, with the rate since the stage began. */
export class StageProgress {
  private readonly started = performance.now();

  constructor(
    private readonly stage: Progress['stage'],
    private readonly total: number,
    private readonly unit: Progress['unit'],
  ) {}

  at(done: number): Progress {
    const { stage, total, unit } = this;
    const seconds = (performance.now() - this.started) / 1000;
    if (done === 0 || seconds === 0) return { kind: 'progress', stage, done, total, unit };
    const rate = done / seconds;
    return { kind: 'progress', stage, done, total, unit, rate, remainingSeconds: (total - done) / rate };
  }
}
