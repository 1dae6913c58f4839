import type { ProcessOptions } from '../engine';

/** Supervision of a service's engine process. */
export const ENGINE_PROCESS: ProcessOptions = {
  // Lower priority than the service, which answers calls while all cores compute.
  nice: 10,
  // A step of a large model on a slow machine takes a minute. A process without an event for ten
  // minutes hangs.
  silenceMs: 10 * 60_000,
};

/** Time without a call after which a process with a loaded model ends, in milliseconds. */
export const IDLE_MS = 10 * 60_000;
