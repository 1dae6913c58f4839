import { MessageChannel } from 'node:worker_threads';
import type { BatchOutputs } from './measure';

/** Buffers of a batch's outputs, some megabytes. A message transfers them without a copy. */
export const buffersOf = ({ layers }: Pick<BatchOutputs, 'layers'>): ArrayBuffer[] =>
  layers.flatMap((layer) => Object.values(layer).map((values) => values.buffer as ArrayBuffer));

/** Port whose other end is closed, so that its messages are dropped. */
const { port1: nowhere, port2: end } = new MessageChannel();
end.close();

/**
 * Frees a batch's outputs at once. The garbage collector sees only a few bytes per array and would
 * leave a hundred megabytes of them allocated.
 */
export function release(batch: Pick<BatchOutputs, 'layers'>): void {
  nowhere.postMessage(null, buffersOf(batch));
}
