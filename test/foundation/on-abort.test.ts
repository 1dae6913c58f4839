import { getEventListeners } from 'node:events';
import { onAbort } from '../../foundation/on-abort';
import { unlessAborted } from '../../foundation/unless-aborted';

test('an abort acts once, at once if it has come before, and not once it is forgotten', () => {
  const controller = new AbortController();
  const [kept, forgotten, late] = [jest.fn(), jest.fn(), jest.fn()];
  onAbort(controller.signal, kept);
  onAbort(controller.signal, forgotten)();
  controller.abort();
  onAbort(controller.signal, late);
  expect([kept, forgotten, late].map(({ mock }) => mock.calls.length)).toEqual([1, 0, 1]);
  expect(onAbort(undefined, kept)).not.toThrow();
});

test('work settles unless the signal aborts first; no listener stays', async () => {
  const { signal } = new AbortController();
  await expect(unlessAborted(Promise.resolve(7), signal)).resolves.toBe(7);
  await expect(unlessAborted(Promise.reject(new Error('no')), signal)).rejects.toThrow('no');
  await new Promise(setImmediate);
  expect(getEventListeners(signal, 'abort')).toEqual([]);
  const never = new Promise(() => {});
  await expect(unlessAborted(never, AbortSignal.abort('left'))).rejects.toBe('left');
});
