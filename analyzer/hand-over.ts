import { MessageChannel } from 'node:worker_threads';
import type { BatchOutputs } from './measure';

/** The memory of a batch's outputs, some megabytes: what is handed over with a message is not copied. */
export const buffersOf = ({ layers }: Pick<BatchOutputs, 'layers'>): ArrayBuffer[] =>
  layers.flatMap((layer) => Object.values(layer).map((values) => values.buffer as ArrayBuffer));

/** What is sent from a port whose other end is closed reaches nobody. */
const { port1: nowhere, port2: end } = new MessageChannel();
end.close();

/**
 * Frees a batch's outputs at once. The collector sees only that an array is a few bytes, and would let a hundred megabytes of
 * them stand.
 */
export function release(batch: Pick<BatchOutputs, 'layers'>): void {
  nowhere.postMessage(null, buffersOf(batch));
}
