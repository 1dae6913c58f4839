import { cancelled } from '../foundation/errors';
import { RpcError, status } from '../proto/status';

/** Calls that may wait for their turn. */
const MOST_WAITING = 8;
/** Bounds of what a refused caller is told to wait, in seconds. */
const [LEAST_RETRY, MOST_RETRY] = [1, 60];
/** How long a call takes before one was seen, in seconds. */
const FIRST_GUESS = 5;

/** A call's place: in the queue, then at work. */
export interface Place {
  /**
   * Waits for the call's turn: no other is at work until it has left.
   *
   * @throws HifiError CANCELLED where `signal` comes first
   */
  turn(signal: AbortSignal): Promise<void>;
  /** To be called when the call is over, however it ends. */
  leave(): void;
}

/** Lets one heavy call work at a time, and a few wait. */
export class Admission {
  /** Calls that have a place. */
  private places = 0;
  private working = false;
  private readonly queue: (() => void)[] = [];
  private lastSeconds = FIRST_GUESS;

  constructor(private readonly mostWaiting = MOST_WAITING) {}

  /** @throws RpcError RESOURCE_EXHAUSTED, with how long to wait, where one works and as many wait as may */
  enter(): Place {
    if (this.places > this.mostWaiting) throw this.busy();
    this.places++;
    let started: number | undefined;
    let left = false;
    return {
      turn: async (signal) => {
        await this.wait(signal);
        started = performance.now();
      },
      leave: () => {
        if (left) return;
        left = true;
        this.places--;
        if (started === undefined) return;
        this.lastSeconds = (performance.now() - started) / 1000;
        const next = this.queue.shift();
        if (next) next();
        else this.working = false;
      },
    };
  }

  private async wait(signal: AbortSignal): Promise<void> {
    if (signal.aborted) throw cancelled();
    if (!this.working) {
      this.working = true;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const go = () => {
        signal.removeEventListener('abort', abort);
        resolve();
      };
      const abort = () => {
        this.queue.splice(this.queue.indexOf(go), 1);
        reject(cancelled());
      };
      this.queue.push(go);
      signal.addEventListener('abort', abort, { once: true });
    });
  }

  private busy(): RpcError {
    const retrySeconds = Math.round(Math.min(MOST_RETRY, Math.max(LEAST_RETRY, this.lastSeconds)));
    const message = `the service is busy: one call is at work and ${this.mostWaiting} wait; try again in ${retrySeconds} s`;
    return new RpcError(status.RESOURCE_EXHAUSTED, 'BUSY', message, { retrySeconds });
  }
}
