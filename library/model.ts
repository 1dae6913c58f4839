import { invalidPart, within } from '../foundation/errors';
import type { StageProgress } from '../foundation/progress';
import { resolveModel } from '../model/resolve';

/**
 * Resolves a model to its folder, as {@link resolveModel} does. A download is the stage `download`.
 *
 * @throws HifiError INVALID_INPUT with the field `model`; FAILED if a download fails; CANCELLED by
 *   `signal`
 */
export async function* modelFolder(model: string, signal?: AbortSignal): AsyncGenerator<StageProgress, string> {
  if (typeof model !== 'string') {
    throw invalidPart('model', `model is ${JSON.stringify(model)}; it must be a folder or the name of a model`);
  }
  const leaving = new AbortController();
  let latest: StageProgress | undefined;
  let over = false;
  let wake = () => {};
  const resolving = within('model', () =>
    resolveModel(model, {
      signal: signal ? AbortSignal.any([signal, leaving.signal]) : leaving.signal,
      onProgress: ({ done, total }) => {
        latest = { kind: 'progress', stage: 'download', done, total, unit: 'bytes' };
        wake();
      },
    }),
  );
  const ended = () => {
    over = true;
    wake();
  };
  resolving.then(ended, ended);
  try {
    while (!over) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
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
