import { invalidValue, shown, within } from '../foundation/errors';
import type { StageProgress } from '../foundation/progress';
import { Waker } from '../foundation/waker';
import { resolveModel } from '../model/resolve';

/**
 * The folder of a model, as {@link resolveModel} finds it, told of as stage `download` where it has to be fetched.
 *
 * @throws HifiError INVALID_INPUT of field `model`; FAILED for a download that fails; CANCELLED by `signal`
 */
export async function* modelFolder(model: string, signal?: AbortSignal): AsyncGenerator<StageProgress, string> {
  if (typeof model !== 'string') {
    throw invalidValue({ field: 'model', value: shown(model), expected: 'a folder or the name of a model' });
  }
  const leaving = new AbortController();
  let told: StageProgress | undefined;
  let over = false;
  const waker = new Waker();
  const resolving = within('model', () =>
    resolveModel(model, {
      signal: signal ? AbortSignal.any([signal, leaving.signal]) : leaving.signal,
      onProgress: ({ done, total }) => {
        told = { kind: 'progress', stage: 'download', done, total, unit: 'bytes' };
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
      if (told === undefined) continue;
      const event = told;
      told = undefined;
      yield event;
    }
    return await resolving;
  } finally {
    // The reader may have left.
    leaving.abort();
    await resolving.catch(() => {});
  }
}
