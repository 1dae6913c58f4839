import type { Happening } from '../../gateway/record';
import type { JobStore, NewJob } from '../../gateway/store';

export const newJobOf = (requestId: string, specHash = 'hash'): NewJob => ({
  requestId,
  spec: { model: 'm' },
  specHash,
  traceparent: undefined,
});

export const refusals = {
  full() {
    throw new Error('full');
  },
  otherSpec(id: string) {
    throw new Error(`another spec: ${id}`);
  },
};

/** Creates a job. @returns its id */
export const created = async (store: JobStore, requestId: string) =>
  (await store.create(newJobOf(requestId), 1000, refusals)).record.id;

/** Changes that are an event each: epochs from 1. */
export const epochs = (count: number): Happening[] =>
  Array.from({ length: count }, (_, i) => ({
    kind: 'epoch',
    epoch: { epoch: i + 1, trainLoss: 0, dev: {}, seconds: 0 },
  }));

/** Reads an iterable to its end. */
export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}
