/** How far a stage of some long work is: what every engine yields and every reader shows. */
export interface StageProgress {
  /** What event it is. */
  kind: 'progress';
  /** What is being done, in a word: `measure`, `train`. */
  stage: string;
  /** Units done, 0 … `total`. */
  done: number;
  /** Units in all; with `samples` `auto` the most that it may come to. */
  total: number;
  /** What is counted: `sequences`, `steps`, `bytes`. */
  unit: string;
  /** Units a second since the stage began, once there is something to tell it by. */
  rate?: number;
  /** What is left of the stage at that rate. */
  remainingSeconds?: number;
  /** Of a training step. */
  loss?: number;
  /** Tokens that this process has trained on so far, padding not counted. */
  tokens?: number;
}

/** Something that the caller should know. */
export interface WarningEvent {
  /** What event it is. */
  kind: 'warning';
  /** One line. */
  message: string;
}

/** When a piece of work was done, for whoever draws a picture of the time. Most readers pass it over. */
export interface WorkInterval {
  kind: 'interval';
  name: string;
  /** Milliseconds since the Unix epoch, by {@link clock}. */
  from: number;
  to: number;
  attributes?: Record<string, number | string>;
}

/** Milliseconds since the Unix epoch: one clock for all threads of a process, which nobody sets back. */
export const clock = () => performance.timeOrigin + performance.now();

/** An interval that ends now. */
export const intervalSince = (
  from: number,
  name: string,
  attributes?: Record<string, number | string>,
): WorkInterval => ({ kind: 'interval', name, from, to: clock(), ...(attributes && { attributes }) });

/** Least time between two events that {@link StageMeter.due} lets through, in milliseconds. */
const INTERVAL = 250;

/** Tells how far one stage is. */
export class StageMeter {
  private readonly started = performance.now();
  private last = Number.NEGATIVE_INFINITY;

  /** @param from what was done before this stage began, by a run that was cut */
  constructor(
    private readonly stage: string,
    private readonly total: number,
    private readonly unit: string,
    private readonly from = 0,
  ) {}

  /** @param step what there is to tell of the step just done */
  at(done: number, step: Pick<StageProgress, 'loss' | 'tokens'> = {}): StageProgress {
    const { stage, total, unit, from } = this;
    const seconds = (performance.now() - this.started) / 1000;
    const event: StageProgress = { kind: 'progress', stage, done, total, unit, ...step };
    if (done <= from || seconds === 0) return event;
    const rate = (done - from) / seconds;
    return { ...event, rate, remainingSeconds: (total - done) / rate };
  }

  /** An event, but no more often than a reader can follow; the stage's last one always comes. */
  due(done: number, step?: Pick<StageProgress, 'loss' | 'tokens'>): StageProgress[] {
    const now = performance.now();
    if (now - this.last < INTERVAL && done < this.total) return [];
    this.last = now;
    return [this.at(done, step)];
  }
}
