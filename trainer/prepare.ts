import type { Device } from '../foundation/device';
import type { Precision } from '../foundation/precision';
import { openCheckpoint } from '../model/checkpoint';

/** Base and settings of the next call. */
export interface PrepareRequest {
  /** Folder of the base. */
  model: string;
  options: { device?: Device; threads?: number; precision?: Precision };
}

/** Checks and hashes a base, which the process then knows. */
// biome-ignore lint/correctness/useYield: it emits no events
export async function* prepare({ model }: PrepareRequest): AsyncGenerator<never, void> {
  (await openCheckpoint(model)).close();
}
