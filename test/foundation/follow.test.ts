import { filtered, follow, relayed, resultOf } from '../../foundation/follow';

/** Generator of three numbers and a result; `ended` is true after its finally block. */
function counting() {
  const state = { ended: false };
  const events = (async function* () {
    try {
      yield 1;
      yield 2;
      yield 3;
      return 'all';
    } finally {
      state.ended = true;
    }
  })();
  return { state, events };
}

async function readAll<Event, Result>(events: AsyncGenerator<Event, Result>): Promise<[Event[], Result]> {
  const seen: Event[] = [];
  for (;;) {
    const { done, value } = await events.next();
    if (done) return [seen, value];
    seen.push(value);
  }
}

test('what each event becomes is yielded, by a synchronous or an asynchronous function; the result comes back', async () => {
  const twice = relayed(counting().events, (n) => [n, -n]);
  expect(await readAll(twice)).toEqual([[1, -1, 2, -2, 3, -3], 'all']);
  const slow = relayed(counting().events, async function* (n) {
    yield n * 10;
    await Promise.resolve();
    yield n * 100;
  });
  expect(await readAll(slow)).toEqual([[10, 100, 20, 200, 30, 300], 'all']);
});

test('the generator ends when its reader leaves and when the function throws', async () => {
  const left = counting();
  for await (const n of relayed(left.events, (each) => [each])) if (n === 2) break;
  expect(left.state.ended).toBe(true);

  const failing = counting();
  const seen = follow(failing.events, (n) => {
    if (n === 2) throw new Error('enough');
  });
  await expect(seen).rejects.toThrow('enough');
  expect(failing.state.ended).toBe(true);
});

test('follow waits for each event to be taken; resultOf needs the result alone', async () => {
  const order: string[] = [];
  const result = await follow(counting().events, async (n) => {
    order.push(`${n} begins`);
    await new Promise(setImmediate);
    order.push(`${n} ends`);
  });
  expect(result).toBe('all');
  expect(order).toEqual(['1 begins', '1 ends', '2 begins', '2 ends', '3 begins', '3 ends']);
  expect(await resultOf(counting().events)).toBe('all');
});

test('filtered keeps some events', async () => {
  const odd = filtered(counting().events, (n): n is 1 | 3 => n % 2 === 1);
  expect(await readAll(odd)).toEqual([[1, 3], 'all']);
});
