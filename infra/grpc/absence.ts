import { type RpcError, status } from './status';

/**
 * How long a call that nothing came of must have lasted to say that its peer was there meanwhile, in milliseconds: longer than a
 * connection takes to be made, or to be given up.
 */
const HELD_MS = 60_000;

/** How long a peer has been away: since the first call that did not reach it after its last answer. */
export class Absence {
  private since: number | undefined;
  private began = performance.now();

  /** @param longestMs how long it may be away, in milliseconds */
  constructor(
    private readonly longestMs: number,
    private readonly heldMs = Math.min(HELD_MS, longestMs),
  ) {}

  /** A call begins. */
  begin(): void {
    this.began = performance.now();
  }

  /** The peer has answered something. */
  answered(): void {
    this.since = undefined;
  }

  /** A call has failed. @returns whether its peer has been away for too long */
  isTooLong({ code, reason }: RpcError): boolean {
    const now = performance.now();
    // What has a reason of its own comes of a peer that is there.
    if (code !== status.UNAVAILABLE || reason !== 'UNAVAILABLE') this.since = undefined;
    else if (this.since === undefined || now - this.began > this.heldMs) this.since = now;
    return this.since !== undefined && now - this.since > this.longestMs;
  }
}
