import { setImmediate as turn } from 'node:timers/promises';
import { answers } from '../../../infra/grpc/answers';

const never = new AbortController().signal;

async function all<M>(messages: AsyncIterable<M>): Promise<M[]> {
  const read: M[] = [];
  for await (const message of messages) read.push(message);
  return read;
}

describe('answers', () => {
  it('arrive in order, with every progress message that the reader awaits', async () => {
    const messages = answers<string>(never, async (out) => {
      for (let i = 0; i < 3; i++) {
        out.progress(`at ${i}`);
        await turn();
      }
      void out.send('done');
    });
    expect(await all(messages)).toEqual(['at 0', 'at 1', 'at 2', 'done']);
  });

  it('thin progress for a slow reader, but keep all other messages; the work does not wait', async () => {
    let finished = false;
    const messages = answers<string>(never, async (out) => {
      for (let i = 0; i < 100_000; i++) {
        out.progress(`at ${i}`);
        if (i % 40_000 === 0) void out.send(`epoch ${i}`);
      }
      void out.send('result');
      finished = true;
    });
    const first = await messages.next();
    expect(finished).toBe(true);
    expect([first.value, ...(await all(messages))]).toEqual([
      'epoch 0',
      'epoch 40000',
      'epoch 80000',
      'at 99999',
      'result',
    ]);
  });

  it('slow down work that awaits its messages to the pace of the reader', async () => {
    let sent = 0;
    const messages = answers<number>(never, async (out) => {
      for (; sent < 10; sent++) await out.send(sent);
    });
    await messages.next();
    for (let i = 0; i < 5; i++) await turn();
    expect(sent).toBeLessThanOrEqual(1);
    expect(await all(messages)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it('end with the error of the work, after all its messages', async () => {
    const messages = answers<string>(never, async (out) => {
      void out.send('before');
      throw new Error('no more');
    });
    expect((await messages.next()).value).toBe('before');
    await expect(messages.next()).rejects.toThrow('no more');
  });

  it('stop the work when the reader leaves or the signal aborts, and wait until it has released its resources', async () => {
    for (const leave of ['reader', 'signal']) {
      let open = true;
      const controller = new AbortController();
      const messages = answers<string>(controller.signal, async (out, signal) => {
        out.progress('begun');
        await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
        await turn();
        open = false;
        await out.send('to nobody');
        throw new Error('cancelled');
      });
      await messages.next();
      if (leave === 'reader') await messages.return();
      else {
        controller.abort();
        await expect(all(messages)).rejects.toThrow('cancelled');
      }
      expect(open).toBe(false);
    }
  });
});
