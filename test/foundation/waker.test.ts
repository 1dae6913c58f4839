import { getEventListeners } from 'node:events';
import { Waker } from '../../foundation/waker';

test('a sleep ends at a wake, at an abort and when a new sleep begins; no listener stays', async () => {
  const waker = new Waker();
  const controller = new AbortController();
  const { signal } = controller;
  const listeners = () => getEventListeners(signal, 'abort').length;

  waker.wake(); // without a sleeper: nothing to end
  const first = waker.sleep(signal);
  expect(listeners()).toBe(1);
  waker.wake();
  await first;
  expect(listeners()).toBe(0);

  const second = waker.sleep(signal);
  const third = waker.sleep(signal);
  await second;
  expect(listeners()).toBe(1);
  controller.abort();
  await third;
  await waker.sleep(signal);
  expect(listeners()).toBe(0);
});
