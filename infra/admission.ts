import { cancelled } from '../foundation/errors';
import { RpcError, status } from '../proto/status';

/** Largest number of calls that wait for their turn. */
const MOST_WAITING = 8;
/** Bounds of the retry delay of a refused call, in seconds. */
const [LEAST_RETRY, MOST_RETRY] = [1, 60];
/** Assumed duration of a call before the first one has ended, in seconds. */
const FIRST_GUESS = 5;

/** Admitted call: it waits in the queue, then runs. */
export interface Ticket {
  /**
   * Waits for the call's turn: no other call runs until this one leaves.
   *
   * @throws HifiError CANCELLED if `signal` aborts first
   */
  turn(signal: AbortSignal): Promise<void>;
  /** Ends the call; must be called once it is over, in any case. */
  leave(): void;
}

/** Admits one heavy call at a time, and lets a few wait. */
export class Admission {
  /** Number of admitted calls. */
  private admitted = 0;
  private working = false;
  private readonly queue: (() => void)[] = [];
  private lastSeconds = FIRST_GUESS;

  constructor(private readonly mostWaiting = MOST_WAITING) {}

  /**
   * Admits a call.
   *
   * @param immediate true if the call must not wait for another one
   * @throws RpcError RESOURCE_EXHAUSTED with a retry delay if the queue is full, or with
   *   `immediate` if there is any other call
   */
  enter(immediate = false): Ticket {
    const most = immediate ? 0 : this.mostWaiting;
    if (this.admitted > most) throw this.busy(most);
    this.admitted++;
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
        this.admitted--;
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

  private busy(waiting: number): RpcError {
    const retrySeconds = Math.round(Math.min(MOST_RETRY, Math.max(LEAST_RETRY, this.lastSeconds)));
    const running = waiting === 0 ? 'one call is running' : `one call is running and ${waiting} wait`;
    const message = `the service is busy: ${running}; try again in ${retrySeconds} s`;
    return new RpcError(status.RESOURCE_EXHAUSTED, 'BUSY', message, { retrySeconds });
  }
}
