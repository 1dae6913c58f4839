import { createHash } from 'node:crypto';
import * as fs from 'node:fs';

/** Identity of a process, by which another process recognizes it later. */
export interface ProcessIdentity {
  pid: string;
  /**
   * Start of the process, in clock ticks since the machine's boot; empty if the system does not
   * report it.
   */
  start: string;
  /**
   * Machine's boot and pid namespace, outside which `pid` and `start` mean nothing; empty if the
   * system reports neither, because there is only one.
   */
  namespace: string;
}

/** Identity of a process of this namespace; by default this process. */
export function identityOf(pid: number | string = process.pid): ProcessIdentity {
  return { pid: String(pid), start: statOf(String(pid))?.start ?? '', namespace: ownNamespace() };
}

/** Returns true if a process of this namespace, with that id and start, is running. */
export function isRunning({ pid, start }: Pick<ProcessIdentity, 'pid' | 'start'>): boolean {
  try {
    process.kill(Number(pid), 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  const stat = statOf(pid);
  // Without /proc the id must suffice.
  if (stat === undefined) return true;
  // A zombie, whose end its parent has not read yet, holds nothing.
  return stat.state !== 'Z' && stat.state !== 'X' && (start === '' || start === stat.start);
}

/** Time without a change after which an invisible process has left a file, in milliseconds. */
const LEFT_MS = 3_600_000;

/** Pattern of {@link processMark}, for patterns of whole names. */
export const MARK = '\\d+_\\d*_[0-9a-f]*';

/** Part of a file's name that identifies the process that works on the file. */
export function processMark(pid?: number): string {
  const { pid: id, start, namespace } = identityOf(pid);
  return `${id}_${start}_${namespaceMark(namespace)}`;
}

/**
 * Returns true if the process that works on a file, or on a folder, has left it.
 *
 * A process of the same boot and pid namespace is looked up by its id and start. A process of
 * another boot, or of another container that shares the folder, cannot be looked up: the file
 * counts as left if nobody has changed it for an hour. The same holds for an invalid mark.
 *
 * @param mark the file's {@link processMark}
 */
export function isLeft(file: string, mark: string): boolean {
  const [, pid, start, namespace] = /^(\d+)_(\d*)_([0-9a-f]*)$/.exec(mark) ?? [];
  if (pid !== undefined && namespace === namespaceMark(ownNamespace())) return !isRunning({ pid, start });
  const stat = fs.statSync(file, { throwIfNoEntry: false });
  return stat !== undefined && Date.now() - stat.mtimeMs > LEFT_MS;
}

const namespaceMark = (namespace: string) =>
  namespace === '' ? '' : createHash('sha256').update(namespace).digest('hex').slice(0, 12);

function ownNamespace(): string {
  const boot = textOf('/proc/sys/kernel/random/boot_id').trim();
  const namespace = linkOf('/proc/self/ns/pid');
  return boot && namespace ? `${boot}/${namespace}` : '';
}

function statOf(pid: string): { state: string; start: string } | undefined {
  const stat = textOf(`/proc/${pid}/stat`);
  if (!stat) return undefined;
  // The command, in brackets, may contain anything. The start is field 22, counted behind it.
  const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { state, start: fields[18] };
}

/** Text of a file; empty if it is unreadable. */
function textOf(file: string): string {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

function linkOf(file: string): string {
  try {
    return fs.readlinkSync(file);
  } catch {
    return '';
  }
}
