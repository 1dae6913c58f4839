import { breathe } from '../../foundation/breathe';

test('a signal that aborts while the thread was blocked takes effect', async () => {
  const controller = new AbortController();
  await breathe(controller.signal);
  await breathe();
  setImmediate(() => controller.abort());
  await expect(breathe(controller.signal)).rejects.toMatchObject({ code: 'CANCELLED' });
});
