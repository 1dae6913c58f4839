import { setTimeout as delay } from 'node:timers/promises';
import { failed } from '../foundation/errors';
import { Absence } from '../infra/grpc/absence';
import type { GrpcClient } from '../infra/grpc/client';
import { GatewayService } from '../proto/gen/hifi/v1/gateway_pb';
import { hifiErrorOf, RpcError, status } from '../proto/status';
import { eventOf } from './job-message';
import { hasEnded, type JobEventRecord } from './record';

/** Longest absence of a gateway, in milliseconds. */
const AWAY_MS = 5 * 60_000;
const PAUSE_MS = 500;

export interface FollowSettings {
  /** Receives a line when the gateway is away. */
  note?: (line: string) => void;
  /** Longest absence of the gateway, in milliseconds. */
  awayMs?: number;
}

/**
 * Yields a job's events from a sequence number to the last; resumes after a restart of the gateway.
 *
 * @throws HifiError NOT_FOUND for an unknown job; FAILED for a gateway that stays away
 */
export async function* followJob(
  gateway: GrpcClient,
  jobId: string,
  fromSequence: number,
  signal: AbortSignal,
  { note = () => {}, awayMs = AWAY_MS }: FollowSettings = {},
): AsyncGenerator<JobEventRecord> {
  let next = fromSequence;
  const absence = new Absence(awayMs);
  let away = false;
  for (;;) {
    absence.begin();
    try {
      const request = { jobId, fromSequence: next };
      for await (const { event } of gateway.stream(GatewayService.method.watchJob, request, { signal })) {
        if (!event) continue;
        const record = eventOf(event);
        [next, away] = [record.sequence + 1, false];
        absence.answered();
        yield record;
        if (record.event.kind === 'state' && hasEnded(record.event)) return;
      }
      throw failed(`the gateway ended the events of job ${jobId} before the job has ended`);
    } catch (thrown) {
      if (!(thrown instanceof RpcError)) throw thrown;
      if (thrown.code !== status.UNAVAILABLE || absence.isTooLong(thrown)) throw hifiErrorOf(thrown);
      if (!away) note(`${gateway.address} is away; waiting for it`);
      away = true;
      await delay(PAUSE_MS, undefined, { signal }).catch(() => {});
    }
  }
}
