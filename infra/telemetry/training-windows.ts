import type { StageProgress } from '../../foundation/progress';
import type { Telemetry } from './spans';
import { currentTraceparent } from './traceparent';

/** Name of a window's span. */
const NAME = 'hifi.train.window';
/** Shortest duration of a window, in milliseconds. */
const SHORTEST_MS = 1000;
/** Duration of a window as a share of the training so far: 250 windows cover two days. */
const SHARE = 1 / 25;
/**
 * Number of windows after which the share is greater, so that the rest suffice for a training of
 * any length.
 */
const MANY = 250;
const GREATER_SHARE = 1 / 4;
/** Maximum number of windows of a job; the last one stays open to the end. */
const MOST = 300;

/** Window of training steps. */
interface Window {
  from: number;
  to: number;
  steps: number;
  tokens: number;
  /** Losses of the steps that reported one. */
  loss: { first: number; last: number; sum: number; count: number } | undefined;
}

/**
 * Progress of a training. `tokens` counts the tokens of all steps of this call so far, without
 * padding.
 */
export type TrainingProgress = Pick<StageProgress, 'kind' | 'stage' | 'done' | 'total' | 'loss'> & { tokens?: number };

/**
 * Windows that a job's attempts have recorded, and the duration of the training up to the end of
 * the last window.
 */
export interface WindowsSoFar {
  windows: number;
  milliseconds: number;
}

export interface TrainingWindowsSettings {
  /** Parent of the windows, as a traceparent; default: the span that is active at construction. */
  parent?: string;
  /** Returns the training's memory in bytes; called at the end of each window. */
  memory?: () => number;
  /** Windows of the job's earlier attempts. */
  before?: WindowsSoFar;
  /** Receives after each window the value that a later attempt needs as its `before`. */
  onWindow?: (soFar: WindowsSoFar) => void;
  /** Clock, in milliseconds since the epoch. */
  now?: () => number;
}

/**
 * Records a training as windows: spans of at least a second and a 25th of the training so far. A
 * job of any length has at most 300 windows. Each window is recorded when it ends, so a running job
 * can be watched. A window begins and ends with a step. Time between the steps of two epochs counts
 * in its duration, but not in its tokens per second.
 */
export class TrainingWindows {
  private readonly now: () => number;
  private readonly memory: (() => number) | undefined;
  private readonly parent: string | undefined;
  private readonly onWindow: ((soFar: WindowsSoFar) => void) | undefined;
  /** Windows of this attempt and of earlier ones. */
  private readonly soFar: WindowsSoFar;
  /** Start of the training, shifted as if it had not been interrupted. */
  private began: number | undefined;
  /** Time of the last event; `stepped` is true if it was of a step. */
  private last: number;
  private stepped = false;
  /** Number of steps up to the last event; `tokens` counts their tokens. */
  private done: number | undefined;
  private tokens = 0;
  /** Window since the end of the last one; `busy` is its training time in milliseconds. */
  private open: Window | undefined;
  private busy = 0;

  constructor(
    private readonly telemetry: Pick<Telemetry, 'record'>,
    settings: TrainingWindowsSettings = {},
  ) {
    const { now = Date.now, memory, parent = currentTraceparent(), before, onWindow } = settings;
    this.now = now;
    this.memory = memory;
    this.parent = parent;
    this.onWindow = onWindow;
    this.soFar = { windows: 0, milliseconds: 0, ...before };
    this.last = now();
  }

  /**
   * Adds a progress event of the call. Events of other stages are needed too: they mark time
   * without training.
   */
  add(event: TrainingProgress): void {
    const now = this.now();
    const step = event.stage === 'train';
    // Between two events of other stages there is no step.
    if (step || this.stepped) this.busy += now - this.last;
    if (step) this.step(event, now);
    this.stepped = step;
    this.last = now;
  }

  /** Excludes the time until `to`, in milliseconds since the epoch, as work without a step. */
  pause(to: number): void {
    this.last = Math.max(this.last, to);
    this.stepped = false;
  }

  /** Records the open window at the end of the training, finished or interrupted. */
  end(): void {
    if (this.open === undefined || this.soFar.windows >= MOST) return;
    const { from, to, steps, tokens, loss } = this.open;
    const seconds = this.busy / 1000;
    this.telemetry.record(NAME, from, to, {
      parent: this.parent ?? null,
      attributes: {
        'hifi.steps': steps,
        ...(loss && {
          'hifi.loss.first': loss.first,
          'hifi.loss.last': loss.last,
          'hifi.loss.mean': loss.sum / loss.count,
        }),
        ...(tokens > 0 && seconds > 0 && { 'hifi.tokens_per_second': tokens / seconds }),
        ...(this.memory && { 'hifi.memory_bytes': this.memory() }),
      },
    });
    this.open = undefined;
    this.busy = 0;
    this.soFar.windows += 1;
    this.soFar.milliseconds = to - (this.began ?? from);
    this.onWindow?.({ ...this.soFar });
  }

  private step({ done, loss, tokens = 0 }: TrainingProgress, now: number): void {
    this.began ??= this.last - this.soFar.milliseconds;
    const window = (this.open ??= { from: this.last, to: now, steps: 0, tokens: 0, loss: undefined });
    window.to = now;
    // The first event comes with the first step, also if a training is resumed.
    window.steps += done - (this.done ?? done - 1);
    window.tokens += tokens - this.tokens;
    if (loss !== undefined) {
      const { first = loss, sum = 0, count = 0 } = window.loss ?? {};
      window.loss = { first, last: loss, sum: sum + loss, count: count + 1 };
    }
    this.done = done;
    this.tokens = tokens;
    const share = this.soFar.windows < MANY ? SHARE : GREATER_SHARE;
    const length = Math.max(SHORTEST_MS, (now - this.began) * share);
    if (now - window.from >= length && this.soFar.windows < MOST - 1) this.end();
  }
}
