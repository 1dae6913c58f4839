import { setTimeout as delay } from 'node:timers/promises';
import { Backoff, type Pauses } from '../foundation/backoff';
import { cancelled, isNoSpace } from '../foundation/errors';
import type { Logger } from '../infra/log';
import type { Happening, JobRecord } from './record';
import { type Claim, isStoreAway } from './store';

/** Pauses between two attempts at a store without room or that is away, in milliseconds. */
const PAUSES: Pauses = { first: 250, longest: 8000 };

/**
 * Records a running job's changes. If the store has no room, or is away, it waits. So no job is
 * ahead of its record, and none fails because of the store.
 *
 * @param signal ends the wait, but not the first attempt
 * @throws HifiError NOT_FOUND; CANCELLED when `signal` aborts the wait or another gateway has the
 *   job
 */
export async function noteWhenRoom(
  claim: Pick<Claim, 'id' | 'note'>,
  happenings: readonly Happening[],
  signal: AbortSignal,
  log: Logger,
): Promise<JobRecord> {
  const backoff = new Backoff(PAUSES);
  for (let waits = false; ; waits = true) {
    try {
      const record = await claim.note(...happenings);
      if (waits) log.info({ job: claim.id }, 'the job store accepts changes again; the job resumes');
      return record;
    } catch (error) {
      if (!isNoSpace(error) && !isStoreAway(error)) throw error;
      if (signal.aborted) throw cancelled();
      const reason = isStoreAway(error) ? 'is away' : 'has no room';
      if (!waits) log.error({ job: claim.id, err: error }, `the job store ${reason}; the job waits`);
      await delay(backoff.next(), undefined, { signal }).catch(() => {
        throw cancelled();
      });
    }
  }
}
