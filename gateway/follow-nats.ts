import { setTimeout as delay } from 'node:timers/promises';
import { fromJsonString } from '@bufbuild/protobuf';
import { type ConsumerMessages, JetStreamApiCodes, type JetStreamManager } from '@nats-io/jetstream';
import { Backoff } from '../foundation/backoff';
import { failed, invalidInput } from '../foundation/errors';
import { onAbort } from '../foundation/on-abort';
import { unlessAborted } from '../foundation/unless-aborted';
import {
  apiCode,
  awaitNats,
  connectNats,
  denialOf,
  findJetStream,
  type NatsAddress,
  type NatsLink,
  natsAddress,
} from '../infra/nats';
import { type JobEvent, JobEventSchema } from '../proto/gen/hifi/v1/gateway_pb';
import { stateOf } from './job-message';
import { EVENT_STREAM, subjectOf, subjectsOf } from './nats-events';
import { refusedForGood } from './nats-stream';
import { hasEnded } from './record';

/** Pause between two attempts at a server that is away or answers unexpectedly, in milliseconds. */
const PAUSES = { first: 250, longest: 5_000 };
/** Silence after which the gateway reports whether the job has ended, in milliseconds. */
const QUIET_MS = 2_000;

/** Options of a follower. */
export interface Following {
  /** Receives a line with the reason that events may be missing. */
  note?(line: string): void;
  /** Asks the gateway if the job has ended: its last event may be missing in NATS. */
  ended?(): Promise<boolean>;
}

/**
 * Yields a job's events from NATS, each once. If a stream stores them, it yields the past events
 * first. Ends with the job, or without an error when the signal aborts.
 *
 * @param url see `natsAddress`
 * @param fromSequence first event to yield, from 1
 * @throws HifiError INVALID_INPUT for an invalid address or job name; FAILED if NATS cannot be
 *   reached or a message is no event; what `ended` throws
 */
export async function* followOnNats(
  url: string,
  jobId: string,
  fromSequence: number,
  signal: AbortSignal,
  { note = () => {}, ended = async () => false }: Following = {},
): AsyncGenerator<JobEvent> {
  // In a subject, a star or a dot would select the events of other jobs.
  if (!/^[\w-]+$/.test(jobId)) throw invalidInput(`no job ${JSON.stringify(jobId.slice(0, 80))}`);
  const noted = new Set<string>();
  const noteOnce = (line: string) => {
    if (!noted.has(line)) note(line);
    noted.add(line);
  };
  const over = new AbortController();
  const leave = () => over.abort();
  let failure: unknown;
  const quiet = new Quiet(ended, (error) => {
    failure = error;
    leave();
  });
  const forget = onAbort(signal, leave);
  let next = fromSequence;
  let first = true;
  try {
    for await (const { subject, data, stored } of messagesOf(natsAddress(url), jobId, over.signal, quiet, noteOnce)) {
      // Changes that are no events, of a store in JetStream.
      if (subject.endsWith('.record')) continue;
      const event = eventIn(subject, data);
      quiet.eventCame();
      if (event.sequence >= next) {
        if (event.sequence > next && (stored || !first)) noteOnce(missing(next, event.sequence - 1));
        yield event;
        next = event.sequence + 1;
        first = false;
      }
      if (isLast(event)) return;
    }
  } catch (error) {
    if (!over.signal.aborted) throw error;
  } finally {
    quiet.stop();
    forget();
  }
  if (failure !== undefined) throw failure;
  if (!signal.aborted) noteOnce(`the job has ended; its last events, from ${next} on, are not in NATS`);
}

const missing = (from: number, to: number) =>
  `${from === to ? `event ${from} is` : `events ${from} to ${to} are`} not in NATS; the gateway has what NATS lacks`;

/** Ends the wait for missing events once the job has ended. */
class Quiet {
  private timer: NodeJS.Timeout | undefined;
  /** True if the job had ended at the last check and no event has come since. */
  private ended = false;
  private running = false;

  /** Creates a stopped wait. @param over called at its end, with the error if the check failed */
  constructor(
    private readonly ask: () => Promise<boolean>,
    private readonly over: (error?: unknown) => void,
  ) {}

  /** Starts the wait: events can come from now on. */
  start(): void {
    this.running = true;
    this.ended = false;
    void this.look();
  }

  eventCame(): void {
    this.ended = false;
  }

  /** Stops the wait, because the connection is lost or no more events are wanted. */
  stop(): void {
    this.running = false;
    clearTimeout(this.timer);
  }

  private async look(): Promise<void> {
    const before = this.ended;
    try {
      const ended = await this.ask();
      if (!this.running) return;
      if (ended && before) return this.over();
      this.ended = ended;
      clearTimeout(this.timer);
      this.timer = setTimeout(() => void this.look(), QUIET_MS);
    } catch (error) {
      this.over(error);
    }
  }
}

interface Message {
  subject: string;
  data: Uint8Array;
  /** True if a stream stores the event, and stored those before it. */
  stored: boolean;
}

/**
 * Yields the messages of each connection in turn; a stream delivers all of them from the first on.
 */
async function* messagesOf(
  address: NatsAddress,
  jobId: string,
  over: AbortSignal,
  quiet: Quiet,
  note: (line: string) => void,
): AsyncGenerator<Message> {
  const backoff = new Backoff(PAUSES);
  let opened = false;
  let link = await connectNats(address, 'hifi-watch');
  for (;;) {
    const forget = onAbort(over, () => void link.close());
    try {
      const messages = await openMessages(link, jobId, note);
      opened = true;
      quiet.start();
      for await (const message of messages) {
        backoff.reset();
        yield message;
      }
    } catch (error) {
      if (!opened && !link.lost.aborted) throw error;
      if (denialOf(error) !== undefined) throw failed(denialOf(error) as string, error);
    } finally {
      quiet.stop();
      forget();
      await link.close();
    }
    // The server is away, or is still recovering.
    await delay(backoff.next(), undefined, { signal: over });
    link = await awaitNats(address, 'hifi-watch', over, undefined, PAUSES);
  }
}

async function openMessages(
  link: NatsLink,
  jobId: string,
  note: (line: string) => void,
): Promise<AsyncIterable<Message>> {
  await link.flush();
  const { manager, lacks } = await findJetStream(link);
  const stored = manager ? await storedMessages(link, manager, jobId) : lacks;
  if (typeof stored !== 'string') return each(stored, true);
  note(`${stored}: earlier events, and events during a lost connection, are missing`);
  const live = link.nc.subscribe(subjectsOf(jobId));
  await link.flush();
  return each(live, false);
}

async function* each(messages: AsyncIterable<Omit<Message, 'stored'>>, stored: boolean): AsyncGenerator<Message> {
  for await (const { subject, data } of messages) yield { subject, data, stored };
}

/** Messages of a stream, or the reason that there are none. */
async function storedMessages(
  { lost }: NatsLink,
  manager: JetStreamManager,
  jobId: string,
): Promise<ConsumerMessages | string> {
  try {
    const stream = await unlessAborted(streamOf(manager, jobId), lost);
    const { consumers } = manager.jetstream();
    const consumer = consumers.get(stream, { filter_subjects: subjectsOf(jobId) });
    return await (await unlessAborted(consumer, lost)).consume();
  } catch (error) {
    if (apiCode(error) === JetStreamApiCodes.StreamNotFound) return `this NATS server has no stream ${EVENT_STREAM}`;
    const denied = denialOf(error);
    if (denied !== undefined) return denied;
    if (refusedForGood(error)) return `this NATS server delivers no events of a stream: ${(error as Error).message}`;
    throw error;
  }
}

/**
 * Finds the stream of a job's events. If no stream takes them, HIFI_EVENTS may copy them from
 * another.
 */
async function streamOf({ streams }: JetStreamManager, jobId: string): Promise<string> {
  try {
    return await streams.find(subjectOf(jobId, 'state'));
  } catch (error) {
    if (apiCode(error) !== JetStreamApiCodes.StreamNotFound && denialOf(error) === undefined) throw error;
    return EVENT_STREAM;
  }
}

function eventIn(subject: string, data: Uint8Array): JobEvent {
  try {
    return fromJsonString(JobEventSchema, Buffer.from(data).toString(), { ignoreUnknownFields: true });
  } catch (error) {
    throw failed(`${subject}: the message is no event of a job: ${(error as Error).message}`, error);
  }
}

function isLast({ event }: JobEvent): boolean {
  const state = event.case === 'state' ? stateOf(event.value) : undefined;
  return state !== undefined && hasEnded({ state });
}
