import { Admission } from '../../infra/admission';
import { RpcError, status } from '../../proto/status';

const never = new AbortController().signal;

/** Returns true if a promise has settled after all pending callbacks. */
async function settled(promise: Promise<unknown>): Promise<boolean> {
  let done = false;
  const note = () => {
    done = true;
  };
  promise.then(note, note);
  await new Promise(setImmediate);
  return done;
}

describe('an admission', () => {
  it('runs one call at a time, in the order in which they were ready', async () => {
    const admission = new Admission();
    const order: number[] = [];
    let working = 0;
    const calls = Array.from({ length: 6 }, async (_, i) => {
      const place = admission.enter();
      await place.turn(never);
      expect(++working).toBe(1);
      await new Promise(setImmediate);
      order.push(i);
      working--;
      place.leave();
    });
    await Promise.all(calls);
    expect(order).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it('refuses a call if the queue is full, with a retry delay', async () => {
    const admission = new Admission(2);
    const places = [admission.enter(), admission.enter(), admission.enter()];
    let error: RpcError | undefined;
    try {
      admission.enter();
    } catch (thrown) {
      error = thrown as RpcError;
    }
    expect(error).toBeInstanceOf(RpcError);
    expect(error).toMatchObject({ code: status.RESOURCE_EXHAUSTED, reason: 'BUSY', details: { retrySeconds: 5 } });
    places[2].leave();
    places[2].leave(); // counts once
    admission.enter();
    expect(() => admission.enter()).toThrow('the service is busy: one call is running and 2 wait');
  });

  it('removes a waiting call that is aborted', async () => {
    const admission = new Admission();
    const [first, second, third] = [admission.enter(), admission.enter(), admission.enter()];
    await first.turn(never);
    const leaving = new AbortController();
    const waiting = second.turn(leaving.signal);
    const last = third.turn(never);
    leaving.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'CANCELLED' });
    second.leave();
    expect(await settled(last)).toBe(false);
    first.leave();
    await last;
    third.leave();
    const next = admission.enter();
    await expect(next.turn(AbortSignal.abort())).rejects.toMatchObject({ code: 'CANCELLED' });
    next.leave();
    await admission.enter().turn(never);
  });
});
