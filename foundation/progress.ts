/** Progress of one stage of long work, as every engine yields it. */
export interface StageProgress {
  /** Kind of event. */
  kind: 'progress';
  /** Name of the stage in one word, such as `measure` or `train`. */
  stage: string;
  /** Number of units done, 0 … `total`. */
  done: number;
  /** Number of units in all; with `samples` `auto` the maximum. */
  total: number;
  /** Unit of the counts, such as `sequences`, `steps` or `bytes`. */
  unit: string;
  /** Units per second since the stage began; absent until a unit is done. */
  rate?: number;
  /** Seconds until the stage ends at that rate. */
  remainingSeconds?: number;
  /** Loss of a training step; in a range test the loss after it. */
  loss?: number;
  /** Learning rate of a range test's step. */
  lr?: number;
  /** Tokens that this process has trained on so far, without padding. */
  tokens?: number;
}

/** Numbers of the last step. */
type StepNumbers = Pick<StageProgress, 'loss' | 'lr' | 'tokens'>;

/** Warning for the caller, which does not end the work. */
export interface WarningEvent {
  /** Kind of event. */
  kind: 'warning';
  /** One line. */
  message: string;
}

/** Start and end of a piece of work, for traces. Most readers ignore it. */
export interface WorkInterval {
  kind: 'interval';
  name: string;
  /** Milliseconds since the Unix epoch, by {@link clock}. */
  from: number;
  to: number;
  attributes?: Record<string, number | string>;
}

/** Milliseconds since the Unix epoch. The clock is monotonic; all threads of a process share it. */
export const clock = () => performance.timeOrigin + performance.now();

/** Interval that ends now. */
export const intervalSince = (
  from: number,
  name: string,
  attributes?: Record<string, number | string>,
): WorkInterval => ({ kind: 'interval', name, from, to: clock(), ...(attributes && { attributes }) });

/** Least time between two events of {@link StageMeter.due}, in milliseconds. */
const INTERVAL = 250;

/** Creates the progress events of one stage. */
export class StageMeter {
  private readonly started = performance.now();
  private last = Number.NEGATIVE_INFINITY;

  /** @param from number of units that an earlier, interrupted run had done */
  constructor(
    private readonly stage: string,
    private readonly total: number,
    private readonly unit: string,
    private readonly from = 0,
  ) {}

  /** Progress after `done` units. @param step numbers of the last step */
  at(done: number, step: StepNumbers = {}): StageProgress {
    const { stage, total, unit, from } = this;
    const seconds = (performance.now() - this.started) / 1000;
    const event: StageProgress = { kind: 'progress', stage, done, total, unit, ...step };
    if (done <= from || seconds === 0) return event;
    const rate = (done - from) / seconds;
    return { ...event, rate, remainingSeconds: (total - done) / rate };
  }

  /** Progress, at most one event per 250 ms; the last event of the stage always comes. */
  due(done: number, step?: StepNumbers): StageProgress[] {
    const now = performance.now();
    if (now - this.last < INTERVAL && done < this.total) return [];
    this.last = now;
    return [this.at(done, step)];
  }
}
