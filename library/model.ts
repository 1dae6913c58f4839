import { invalidValue, shown, within } from '../foundation/errors';
import type { StageProgress } from '../foundation/progress';
import { Waker } from '../foundation/waker';
import { resolveModel } from '../model/resolve';

/**
 * Resolves a model to its folder, as {@link resolveModel} does. A download is the stage `download`.
 *
 * @throws HifiError INVALID_INPUT with the field `model`; FAILED if a download fails; CANCELLED by
 *   `signal`
 */
export async function* modelFolder(model: string, signal?: AbortSignal): AsyncGenerator<StageProgress, string> {
  if (typeof model !== 'string') {
    throw invalidValue({ field: 'model', value: shown(model), expected: 'a folder or the name of a model' });
  }
  const leaving = new AbortController();
  let latest: StageProgress | undefined;
  let over = false;
  const waker = new Waker();
  const resolving = within('model', () =>
    resolveModel(model, {
      signal: signal ? AbortSignal.any([signal, leaving.signal]) : leaving.signal,
      onProgress: ({ done, total }) => {
        latest = { kind: 'progress', stage: 'download', done, total, unit: 'bytes' };
        waker.wake();
      },
    }),
  );
  const ended = () => {
    over = true;
    waker.wake();
  };
  resolving.then(ended, ended);
  try {
    while (!over) {
      await waker.sleep();
      if (latest === undefined) continue;
      const event = latest;
      latest = undefined;
      yield event;
    }
    return await resolving;
  } finally {
    // Ends the download if the reader has left.
    leaving.abort();
    await resolving.catch(() => {});
  }
}
