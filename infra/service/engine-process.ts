import type { ProcessOptions } from '../engine';

/** How a service looks after the process that computes for it. */
export const ENGINE_PROCESS: ProcessOptions = {
  // Below the service's own: calls are answered while all cores compute.
  nice: 10,
  // A step of a large model on a slow machine takes a minute; ten minutes without a word are a process that hangs.
  silenceMs: 10 * 60_000,
};

/** How long a process that keeps a model is kept without a call, in milliseconds. */
export const IDLE_MS = 10 * 60_000;
