import { setTimeout as delay } from 'node:timers/promises';
import { Backoff, type Pauses } from '../../foundation/backoff';
import { cancelled, HifiError } from '../../foundation/errors';
import type { StoredFile } from '../../foundation/stored-file';
import { isAway } from './bucket-errors';
import type { FolderArtifacts } from './folder-store';
import type { Objects } from './objects';
import { waitForOther } from './transfer';

/** Interruptions in a row, without a byte between them, after which a download fails. */
const MOST_INTERRUPTIONS = 5;
const PAUSES: Pauses = { first: 200, longest: 3_000 };

/**
 * Downloads an object into a folder store. An interrupted download resumes where it ended, also in
 * another process. The file appears once its SHA-256 is right.
 *
 * @throws HifiError NOT_FOUND if there is no such object; INVALID_INPUT if its bytes are damaged;
 *   CANCELLED; RpcError UNAVAILABLE if the server does not answer
 */
export async function download(
  objects: Objects,
  key: string,
  { sha256, sizeBytes }: StoredFile,
  into: FolderArtifacts,
  signal?: AbortSignal,
): Promise<void> {
  const backoff = new Backoff(PAUSES);
  let interruptions = 0;
  let damages = 0;
  let reached = 0;
  for (;;) {
    const { offset, complete } = await into.upload(sha256);
    if (complete) return;
    if (offset > reached) {
      interruptions = 0;
      backoff.reset();
    }
    reached = offset;
    // A part that is whole but was never checked is read once more from the start.
    const from = offset < sizeBytes ? offset : 0;
    try {
      await into.receive({ sha256, sizeBytes, offset: from }, objects.read(key, from, signal));
      return;
    } catch (error) {
      if (signal?.aborted) throw cancelled();
      if (isAway(error) && ++interruptions < MOST_INTERRUPTIONS) {
        await delay(backoff.next(), undefined, { signal }).catch(() => {
          throw cancelled();
        });
      } else if (isDamaged(error) && ++damages < 2) {
        // The store has dropped the bytes: those of an earlier download, or damaged on the way.
        reached = 0;
      } else await waitForOther(error, signal);
    }
  }
}

export const isDamaged = (error: unknown) => error instanceof HifiError && error.code === 'INVALID_INPUT';
