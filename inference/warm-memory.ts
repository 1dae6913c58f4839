/** Memory for what stays loaded to answer, in bytes. One model stays, whatever its size. */
export interface WarmMemory {
  models: number;
  /**
   * Requests that share a call have as much beside it until they are answered, or what the one by
   * which they exceed it needs.
   */
  deltas: number;
}

export const MIB = 2 ** 20;

export const WARM_MEMORY: WarmMemory = { models: 4096 * MIB, deltas: 256 * MIB };
