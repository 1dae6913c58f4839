import { onAbort } from './on-abort';

/** Lets one reader sleep until there is something new. */
export class Waker {
  private end = () => {};

  /**
   * Settles at the next wake, or when `signal` aborts. A sleep that still lasts ends when a new one
   * begins. Leaves no listener on the signal.
   */
  sleep(signal?: AbortSignal): Promise<void> {
    this.end();
    return new Promise((resolve) => {
      const forget = onAbort(signal, resolve);
      this.end = () => {
        forget();
        resolve();
      };
    });
  }

  /** Ends the sleep, if there is one. */
  wake(): void {
    this.end();
  }
}
