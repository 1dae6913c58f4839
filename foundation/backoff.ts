/**
 * Waiting times between attempts, in milliseconds: the first pause, doubled each time up to the
 * longest.
 */
export interface Pauses {
  first: number;
  longest: number;
}

/** Pauses between attempts at a peer that is away or refuses. */
export class Backoff {
  private pause = 0;

  constructor(private readonly pauses: Pauses) {}

  /** Returns the milliseconds to wait before the next attempt. */
  next(): number {
    this.pause = Math.min(Math.max(2 * this.pause, this.pauses.first), this.pauses.longest);
    return this.pause;
  }

  /** Restarts at the first pause after a successful attempt. */
  reset(): void {
    this.pause = 0;
  }
}
