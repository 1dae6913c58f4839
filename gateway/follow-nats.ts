import { setTimeout as delay } from 'node:timers/promises';
import { fromJsonString } from '@bufbuild/protobuf';
import { JetStreamApiCodes, type JetStreamClient, type JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { failed, invalidInput } from '../errors';
import { apiCode, connectNats, findJetStream, lossOf, natsAddress, unlessAborted } from '../infra/nats';
import { type JobEvent, JobEventSchema } from '../proto/gen/hifi/v1/gateway_pb';
import { stateOf } from '../wire/job';
import { EVENT_STREAM, subjectsOf } from './nats-events';
import { hasEnded } from './record';

/** Between two attempts at a server that does not answer as it did, in milliseconds. */
const PAUSE_MS = 250;

/**
 * A job's events from NATS: with JetStream those that were, then those that come, each once; without it those that come. Ends with the
 * job, or without a word when the signal is aborted.
 *
 * @param url see `natsAddress`
 * @param fromSequence the first event wanted, from 1
 * @param note told, in a line, why events may be missing
 * @throws HifiError INVALID_INPUT where the address or the job's name is none, FAILED where NATS cannot be reached or what is published
 *   is no event
 */
export async function* followOnNats(
  url: string,
  jobId: string,
  fromSequence: number,
  signal: AbortSignal,
  note: (line: string) => void = () => {},
): AsyncGenerator<JobEvent> {
  // Elsewhere a star or a dot would ask for the events of others.
  if (!/^[\w-]+$/.test(jobId)) throw invalidInput(`no job ${JSON.stringify(jobId.slice(0, 80))}`);
  const nc = await connectNats(natsAddress(url), 'hifi-watch');
  const close = () => void nc.close();
  signal.addEventListener('abort', close, { once: true });
  try {
    if (signal.aborted) return;
    let next = fromSequence;
    for await (const { subject, data } of messagesOf(nc, jobId, note)) {
      const event = eventIn(subject, data);
      if (event.sequence >= next) {
        yield event;
        next = event.sequence + 1;
      }
      if (isLast(event)) return;
    }
    if (!signal.aborted) throw failed('the connection to NATS was closed');
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    signal.removeEventListener('abort', close);
    await nc.close();
  }
}

interface Message {
  subject: string;
  data: Uint8Array;
}

async function* messagesOf(nc: NatsConnection, jobId: string, note: (line: string) => void): AsyncGenerator<Message> {
  const manager = await findJetStream(nc);
  if (manager && (await hasStream(manager))) {
    yield* keptMessages(nc, manager.jetstream(), jobId);
    return;
  }
  const why = manager ? `has no stream ${EVENT_STREAM}` : 'has no JetStream';
  note(`this NATS server ${why}: events from before now, or told while the connection is away, are missing`);
  yield* nc.subscribe(subjectsOf(jobId));
}

async function hasStream({ streams }: JetStreamManager): Promise<boolean> {
  try {
    await streams.info(EVENT_STREAM);
    return true;
  } catch (error) {
    if (apiCode(error) === JetStreamApiCodes.StreamNotFound) return false;
    throw error;
  }
}

/**
 * A consumer for each connection, each from the first message on. The library's own goes on over a lost connection too, but a server
 * that goes away while it is asked for the consumer leaves it without a word for half a minute.
 */
async function* keptMessages(
  nc: NatsConnection,
  { consumers }: JetStreamClient,
  jobId: string,
): AsyncGenerator<Message> {
  let opened = false;
  while (!nc.isClosed()) {
    const lost = lossOf(nc);
    try {
      await unlessAborted(nc.flush(), lost);
      const asked = consumers.get(EVENT_STREAM, { filter_subjects: subjectsOf(jobId) });
      const messages = await (await unlessAborted(asked, lost)).consume();
      opened = true;
      lost.addEventListener('abort', () => messages.stop(), { once: true });
      if (lost.aborted) messages.stop();
      yield* messages;
    } catch (error) {
      if (!opened && !lost.aborted) throw error;
    }
    // The server is away, or not yet what it was.
    await delay(PAUSE_MS);
  }
}

function eventIn(subject: string, data: Uint8Array): JobEvent {
  try {
    return fromJsonString(JobEventSchema, Buffer.from(data).toString(), { ignoreUnknownFields: true });
  } catch (error) {
    throw failed(`${subject}: what is published there is no event of a job: ${(error as Error).message}`, error);
  }
}

function isLast({ event }: JobEvent): boolean {
  const state = event.case === 'state' ? stateOf(event.value) : undefined;
  return state !== undefined && hasEnded({ state });
}
