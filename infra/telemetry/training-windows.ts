import type { StageProgress } from '../../foundation/progress';
import type { Telemetry } from './spans';
import { currentTraceparent } from './traceparent';

/** The name of a window's span. */
const NAME = 'hifi.train.window';
/** The shortest window, in milliseconds. */
const SHORTEST_MS = 1000;
/** A window is this share of the training so far: 250 of them cover two days. */
const SHARE = 1 / 25;
/** From this window on it is a greater share, so that those that are left suffice for any length. */
const MANY = 250;
const GREATER_SHARE = 1 / 4;
/** Windows of a job at most; the last one stays open to the end. */
const MOST = 300;

/** Steps that a window holds. */
interface Window {
  from: number;
  to: number;
  steps: number;
  tokens: number;
  /** Of the steps that told one. */
  loss: { first: number; last: number; sum: number; count: number } | undefined;
}

/** What a training tells of a step. `tokens` are those of all steps so far that this call has made, padding not counted. */
export type TrainingProgress = Pick<StageProgress, 'kind' | 'stage' | 'done' | 'total' | 'loss'> & { tokens?: number };

/** What attempts of a job have told: windows, and the milliseconds of training up to the last one's end. */
export interface WindowsSoFar {
  windows: number;
  milliseconds: number;
}

export interface TrainingWindowsSettings {
  /** What the windows are below, as a traceparent; by default the span that is active when this is made. */
  parent?: string;
  /** Bytes that the training holds now, asked at the end of each window. */
  memory?: () => number;
  /** What the job's earlier attempts have told. */
  before?: WindowsSoFar;
  /** Told after each window what a later attempt needs as its `before`. */
  onWindow?: (soFar: WindowsSoFar) => void;
  /** Milliseconds since the epoch. */
  now?: () => number;
}

/**
 * Shows a training as windows, spans of a second and longer (a 25th of the training so far), so that a job of any length has 300
 * of them at most and one that runs can be looked at: a window is told as it ends. It begins and ends with a step; what lies
 * between the steps of two epochs is in it, but not in its rate.
 */
export class TrainingWindows {
  private readonly now: () => number;
  private readonly memory: (() => number) | undefined;
  private readonly parent: string | undefined;
  private readonly onWindow: ((soFar: WindowsSoFar) => void) | undefined;
  /** Those of earlier attempts included. */
  private readonly soFar: WindowsSoFar;
  /** When the training began, if it had not been cut. */
  private began: number | undefined;
  /** When the last event came, and whether it was of a step. */
  private last: number;
  private stepped = false;
  /** Of the steps up to the last event. */
  private done: number | undefined;
  private tokens = 0;
  /** Since the end of the last window. */
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

  /** To be given every progress event of the call: those of other stages tell what is no training. */
  take(event: TrainingProgress): void {
    const now = this.now();
    const step = event.stage === 'train';
    // Between two events of other stages there is no step.
    if (step || this.stepped) this.busy += now - this.last;
    if (step) this.step(event, now);
    this.stepped = step;
    this.last = now;
  }

  /** To be told of work that was no step, such as loading: until when it went, in milliseconds since the epoch. */
  otherwise(to: number): void {
    this.last = Math.max(this.last, to);
    this.stepped = false;
  }

  /** The training is over, done or cut: tells of the window that it ended in. */
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
    // The first event comes with the first step, of a resumed training too.
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
