import { type RpcError, status } from '../../proto/status';

/**
 * Duration after which a failed call shows that its peer was available in the meantime, in
 * milliseconds. It is longer than a connection attempt takes to succeed or fail.
 */
const LONG_CALL_MS = 60_000;

/** Absence of a peer: the time since the first unreachable call after its last answer. */
export class Absence {
  private since: number | undefined;
  private began = performance.now();

  /** Starts without an absence. @param longestMs longest absence, in milliseconds */
  constructor(
    private readonly longestMs: number,
    private readonly longCallMs = Math.min(LONG_CALL_MS, longestMs),
  ) {}

  /** Notes the start of a call. */
  begin(): void {
    this.began = performance.now();
  }

  /** Notes an answer of the peer. */
  answered(): void {
    this.since = undefined;
  }

  /** Notes a failed call. @returns true if its peer has been away for too long */
  isTooLong({ code, reason }: RpcError): boolean {
    const now = performance.now();
    // An error with a reason of its own comes from a peer that is available.
    if (code !== status.UNAVAILABLE || reason !== 'UNAVAILABLE') this.since = undefined;
    else if (this.since === undefined || now - this.began > this.longCallMs) this.since = now;
    return this.since !== undefined && now - this.since > this.longestMs;
  }
}
