import { randomUUID } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { DeliverPolicy } from '@nats-io/jetstream';
import { headers } from '@nats-io/transport-node';
import type { DeltaStore } from '../registry/delta-store';
import { filesOf, type NamedDelta } from '../registry/named-delta';
import { isStoreAway, storeAway } from '../store';
import type { Stored } from './job-log';
import { DELTA_STREAM, DELTA_SUBJECTS, deltaSubject } from './layout';
import { Conflict, type Session, type Sessions } from './session';

/** Record of a name, with the sequence number of its message. */
interface Entry {
  delta: NamedDelta;
  seq: number;
}

/** State of a name: without a record the sequence number is 0. */
type State = Partial<Entry> & Pick<Entry, 'seq'>;

/** Header with the id of the call that made a change. */
const CALL = 'Hifi-Call';
/** Number of attempts at a write whose outcome is unknown. */
const TRIES = 3;

/**
 * Registered deltas in JetStream, for any number of gateways. The last message of a name's subject
 * is its record. Each write expects the one from which it was computed. A copy in memory follows
 * the stream and serves lists; single records are read from the stream's leader.
 */
export class JetStreamDeltas implements DeltaStore {
  private readonly entries = new Map<string, Entry>();
  /** Files of all versions; computed when it is next needed. */
  private files: Set<string> | undefined;
  private readonly emitter = new EventEmitter().setMaxListeners(0);

  constructor(private readonly sessions: Sessions) {}

  /** Follows the changes of all gateways over a new connection. */
  async follow(session: Session): Promise<void> {
    const take = (message: Stored) => this.take(entryIn(message));
    await session.consume(DELTA_SUBJECTS, DeliverPolicy.LastPerSubject, take, { stream: DELTA_STREAM });
  }

  async get(name: string): Promise<{ delta: NamedDelta | undefined; revision: string }> {
    return this.sessions.read(async (session) => {
      // First the revision: of a change in between the answer has the record, and an old revision.
      const { created, state } = await session.unlessLost(session.manager.streams.info(DELTA_STREAM));
      const { delta } = await this.read(session, name);
      return { delta, revision: `${created} ${state.last_seq}` };
    });
  }

  async change(name: string, change: (before: NamedDelta | undefined) => NamedDelta): Promise<NamedDelta> {
    const call = randomUUID();
    let before = await this.sessions.read((session) => this.read(session, name));
    for (let tries = 1; ; ) {
      const after = change(before.delta);
      if (after === before.delta) return after;
      const entry = { subject: deltaSubject(name), body: JSON.stringify(after), headers: headers() };
      entry.headers.set(CALL, call);
      const expected = { subject: entry.subject, last: before.seq };
      try {
        const seq = await this.sessions.use((session) => session.append([entry], expected));
        this.take({ delta: after, seq });
        return after;
      } catch (error) {
        if (!(error instanceof Conflict) && !(isStoreAway(error) && tries++ < TRIES)) throw error;
      }
      // Another writer came first, or the outcome is unknown: the messages since then tell.
      for (const message of await this.messagesAfter(name, before.seq)) {
        const entry = entryIn(message);
        this.take(entry);
        if (message.header?.get(CALL) === call) return entry.delta;
        before = entry;
      }
    }
  }

  *list(from = ''): Generator<NamedDelta> {
    for (const name of [...this.entries.keys()].filter((each) => each >= from).sort()) {
      const { delta } = this.entries.get(name) as Entry;
      if (delta.versions.length > 0) yield delta;
    }
  }

  /** Returns true if a version has a file. */
  has(sha256: string): boolean {
    this.files ??= new Set([...this.entries.values()].flatMap(({ delta }) => [...filesOf(delta)]));
    return this.files.has(sha256);
  }

  onChange(changed: () => void): () => void {
    this.emitter.on('change', changed);
    return () => this.emitter.off('change', changed);
  }

  private async read(session: Session, name: string): Promise<State> {
    const last = await session.last(deltaSubject(name), DELTA_STREAM);
    // A new leader may not have all acknowledged messages yet.
    if ((last?.seq ?? 0) < (this.entries.get(name)?.seq ?? 0)) throw storeAway();
    return last ? entryIn(last) : { seq: 0 };
  }

  private async messagesAfter(name: string, seq: number): Promise<Stored[]> {
    return this.sessions.read(async (session) => {
      const found: Stored[] = [];
      for (let at = seq; ; at = (found.at(-1) as Stored).seq) {
        const message = await session.next(deltaSubject(name), at + 1, DELTA_STREAM);
        if (!message) return found;
        found.push(message);
      }
    });
  }

  private take(entry: Entry): void {
    const { name } = entry.delta;
    if ((this.entries.get(name)?.seq ?? 0) >= entry.seq) return;
    this.entries.set(name, entry);
    this.files = undefined;
    this.emitter.emit('change');
  }
}

const entryIn = (message: Stored): Entry => ({ delta: JSON.parse(message.string()) as NamedDelta, seq: message.seq });
