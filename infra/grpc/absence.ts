import { type RpcError, status } from '../../proto/status';

/**
 * Duration after which a failed call shows that its peer was there in the meantime, in
 * milliseconds. It is longer than a connection attempt takes to succeed or fail.
 */
const HELD_MS = 60_000;

/** Absence of a peer: the time since the first unreachable call after its last answer. */
export class Absence {
  private since: number | undefined;
  private began = performance.now();

  /** @param longestMs longest absence, in milliseconds */
  constructor(
    private readonly longestMs: number,
    private readonly heldMs = Math.min(HELD_MS, longestMs),
  ) {}

  /** A call begins. */
  begin(): void {
    this.began = performance.now();
  }

  /** The peer has answered. */
  answered(): void {
    this.since = undefined;
  }

  /** A call has failed. @returns true if its peer has been away for too long */
  isTooLong({ code, reason }: RpcError): boolean {
    const now = performance.now();
    // An error with a reason of its own comes from a peer that is there.
    if (code !== status.UNAVAILABLE || reason !== 'UNAVAILABLE') this.since = undefined;
    else if (this.since === undefined || now - this.began > this.heldMs) this.since = now;
    return this.since !== undefined && now - this.since > this.longestMs;
  }
}
