/** Memory for what stays loaded to answer, in bytes. One model stays, whatever its size. */
export interface WarmMemory {
  models: number;
  deltas: number;
}

export const MIB = 2 ** 20;

export const WARM_MEMORY: WarmMemory = { models: 4096 * MIB, deltas: 256 * MIB };
