import { randomUUID } from 'node:crypto';
import * as fs from 'node:fs';
import { failed, invalidInput } from '../foundation/errors';
import { identityOf, isRunning, type ProcessIdentity } from '../foundation/process-identity';

/** Interval at which a holder touches its lock, in milliseconds. */
const BEAT_MS = 1000;
/**
 * Time without a touch after which a holder in an invisible process counts as gone, in
 * milliseconds.
 */
const WATCH_MS = 10_000;

export interface LockOptions {
  /** Flag that the user can set instead, for the message. */
  otherwise?: string;
  /** Replaces {@link WATCH_MS}. */
  watchMs?: number;
}

/** Line of a lock: a process that wants it, in order of arrival. */
interface Ticket extends ProcessIdentity {
  nonce: string;
}

/**
 * Locks a folder for this process alone, until the process ends.
 *
 * The lock is a file of tickets. A process that wants the lock appends one (`O_APPEND` gives all
 * appends one order). It holds the lock if every earlier ticket is withdrawn or belongs to a dead
 * process. A valid ticket of a living process never vanishes, so two living processes cannot both
 * be first, whatever their interleaving. A decision is valid only for the file that is still at its
 * path. Only the holder replaces the file (to drop dead tickets) or removes it (to release the
 * lock).
 *
 * A process of the same boot and pid namespace is looked up by its id and start. A process
 * elsewhere (another container, another boot) cannot be looked up. It counts as gone if nobody
 * touches its lock for `watchMs`. So containers that share a volume exclude each other unless one
 * is stopped for that long.
 *
 * @param file the lock file; its folder exists
 * @param what the locked object, for the message
 * @returns a function that releases the lock
 * @throws HifiError INVALID_INPUT if a living process holds it
 */
export function lockFor(file: string, what: string, options: LockOptions = {}): () => void {
  const { otherwise = 'another --state-dir', watchMs = WATCH_MS } = options;
  const own = ownTicket();
  const known: Gone = new Set();
  for (;;) {
    const fd = fs.openSync(file, 'a+', 0o600);
    let held = false;
    try {
      const { holder, alone } = tryTurn(fd, own, known, watchMs);
      // The file was released or replaced in the meantime: the tickets that were read are no longer
      // valid.
      if (!isAt(file, fd)) continue;
      if (holder !== undefined) {
        const { pid, namespace } = holder;
        const who =
          namespace === own.namespace || namespace === '' ? `process ${pid}` : `process ${pid} of another container`;
        throw invalidInput(`${what} is in use by ${who}: end that one first, or give ${otherwise}`);
      }
      held = alone;
      return hold(file, alone ? fd : replaced(file, own));
    } finally {
      if (!held) fs.closeSync(fd);
    }
  }
}

/** Nonces of tickets from elsewhere whose process counts as gone. */
type Gone = Set<string>;

/**
 * Adds a ticket and looks for an earlier one.
 *
 * @returns the first ticket if it is not ours; and true if our ticket is the only one
 */
function tryTurn(fd: number, own: Ticket, known: Gone, watchMs: number): { holder?: Ticket; alone: boolean } {
  // The first look adds no ticket: a refused process leaves no trace, and a slow decision delays no
  // other process.
  let holder = ticketsIn(fd).find((ticket) => isLiving(ticket, own, known, () => wasTouched(fd, watchMs)));
  if (holder !== undefined) return { holder, alone: false };
  append(fd, lineOf(own));
  const all = ticketsIn(fd);
  const at = all.findIndex(({ nonce }) => nonce === own.nonce);
  if (at < 0) throw failed('the lock could not be written: the disk may be full');
  // A newer ticket from elsewhere belongs to a process that has just decided that it is first.
  holder = all.slice(0, at).find((ticket) => isLiving(ticket, own, known, () => true));
  if (holder !== undefined) append(fd, `- ${own.nonce}`);
  return { holder, alone: all.length === 1 };
}

function isLiving(ticket: Ticket, own: Ticket, known: Gone, isTouched: () => boolean): boolean {
  const { pid, start, namespace, nonce } = ticket;
  if (namespace === own.namespace || namespace === '') return isRunning({ pid, start });
  if (known.has(nonce)) return false;
  if (isTouched()) return true;
  known.add(nonce);
  return false;
}

/** Touches a lock that is held. @returns a function that releases it */
function hold(file: string, fd: number): () => void {
  const beat = () => {
    const now = new Date();
    try {
      fs.futimesSync(fd, now, now);
    } catch {
      // The disk is gone, so no other process can take the lock there either.
    }
  };
  beat();
  const beating = setInterval(beat, BEAT_MS).unref();
  let held = true;
  return () => {
    if (!held) return;
    held = false;
    clearInterval(beating);
    // A user may have removed the file; then the file at its path belongs to another process.
    if (isAt(file, fd)) fs.rmSync(file, { force: true });
    fs.closeSync(fd);
  };
}

/** Replaces the held file with one that has our ticket alone. @returns its descriptor */
function replaced(file: string, own: Ticket): number {
  const beside = `${file}.${own.nonce}`;
  const next = fs.openSync(beside, 'a+', 0o600);
  append(next, lineOf(own));
  fs.renameSync(beside, file);
  return next;
}

/** Watches a lock for a while. @returns true if somebody touches it */
function wasTouched(fd: number, watchMs: number): boolean {
  const { mtimeMs } = fs.fstatSync(fd);
  const until = performance.now() + watchMs;
  while (performance.now() < until) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
    if (fs.fstatSync(fd).mtimeMs !== mtimeMs) return true;
  }
  return false;
}

function append(fd: number, line: string): void {
  const whole = contentOf(fd).endsWith('\n') || fs.fstatSync(fd).size === 0;
  fs.writeSync(fd, `${whole ? '' : '\n'}${line}\n`);
}

const lineOf = ({ pid, start, namespace, nonce }: Ticket) => `${pid} ${start || '-'} ${namespace || '-'} ${nonce}`;

/** Valid tickets in order; an incomplete line belongs to a process that could not write it. */
function ticketsIn(fd: number): Ticket[] {
  const lines = contentOf(fd)
    .split('\n')
    .map((line) => line.split(' '));
  const withdrawn = new Set(lines.filter(([first]) => first === '-').map(([, nonce]) => nonce));
  return lines
    .filter(([pid, , , nonce]) => /^\d+$/.test(pid) && !withdrawn.has(nonce ?? ''))
    .map(([pid, start = '-', namespace = '-', nonce = '']) => ({
      pid,
      start: fieldOf(start),
      namespace: fieldOf(namespace),
      nonce,
    }));
}

const fieldOf = (text: string) => (text === '-' ? '' : text);

const ownTicket = (): Ticket => ({ ...identityOf(), nonce: randomUUID() });

/** Text of an open file; empty if it is unreadable. */
function contentOf(fd: number): string {
  try {
    const bytes = Buffer.alloc(fs.fstatSync(fd).size);
    return bytes.toString('utf8', 0, fs.readSync(fd, bytes, 0, bytes.length, 0));
  } catch {
    return '';
  }
}

/** Returns true if the open file is the one at that path. */
function isAt(file: string, fd: number): boolean {
  const there = fs.statSync(file, { bigint: true, throwIfNoEntry: false });
  const open = fs.fstatSync(fd, { bigint: true });
  return there !== undefined && there.ino === open.ino && there.dev === open.dev;
}
