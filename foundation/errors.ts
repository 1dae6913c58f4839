import * as os from 'node:os';

/**
 * Reason of an error, as far as a caller can act on it. The exit codes follow from it.
 *
 * | code | meaning |
 * |---|---|
 * | `INVALID_INPUT` | the request, a file or an option is wrong, as the message says |
 * | `NOT_FOUND` | a server has nothing of that name |
 * | `FAILED` | the input was valid and the work could not be finished |
 * | `UNSUPPORTED` | this machine lacks what an option needs, such as a GPU |
 * | `DIVERGED` | a training's numbers ceased to be finite: the same training would diverge again |
 * | `ENGINE_LOST` | the computing process was killed, crashed or hung; a retry may succeed |
 * | `DISK_FULL` | a write found no room on the disk; a retry may succeed once there is room |
 * | `CANCELLED` | a signal ended the work, or its reader left |
 */
export type ErrorCode =
  | 'INVALID_INPUT'
  | 'NOT_FOUND'
  | 'FAILED'
  | 'UNSUPPORTED'
  | 'DIVERGED'
  | 'ENGINE_LOST'
  | 'DISK_FULL'
  | 'CANCELLED';

/** Error type of the project: a line for a person, a code for a program and the cause for a log. */
export class HifiError extends Error {
  /** Identifies the type even if two copies of this package are loaded. */
  override readonly name = 'HifiError';
  /** Name of the invalid part, if known, such as `options.xi`, `model` or `data`. */
  field?: string;
  /** Value of that part as the message shows it, such as `1.5`, `"relu"` or `missing`. */
  value?: string;
  /** Description of a right value, such as `a whole number from 1`. */
  expected?: string;

  /**
   * @param code reason that a program can act on
   * @param message one line for a person
   * @param cause error that led to this one
   */
  constructor(
    /** Reason that a program can act on. */
    readonly code: ErrorCode,
    message: string,
    cause?: unknown,
  ) {
    super(message, { cause });
  }

  /**
   * Converts any thrown value to a `HifiError`. The code of an unknown error is `FAILED`.
   *
   * @param thrown caught value
   * @returns `thrown` itself if it is a `HifiError`, else a new one with `thrown` as its `cause`
   */
  static from(thrown: unknown): HifiError {
    if (thrown instanceof HifiError) return thrown;
    if (thrown instanceof Error && thrown.name === 'AbortError') return cancelled();
    if (isNoSpace(thrown)) return noRoom(`no room on the disk: ${(thrown as Error).message}`, thrown);
    return new HifiError('FAILED', thrown instanceof Error ? thrown.message : String(thrown), thrown);
  }
}

/**
 * Stack traces of an error and of its causes, for a log. Never sent to a client.
 */
export function traceOf(thrown: unknown): string {
  const seen = new Set<unknown>();
  const parts: string[] = [];
  for (
    let each = thrown;
    each !== undefined && !seen.has(each);
    each = each instanceof Error ? each.cause : undefined
  ) {
    seen.add(each);
    parts.push(each instanceof Error ? (each.stack ?? String(each)) : String(each));
  }
  return parts.join('\ncaused by ');
}

/** Creates the error of bad input: one line with the thing, its value and what would be right. */
export const invalidInput = (message: string, cause?: unknown) => new HifiError('INVALID_INPUT', message, cause);

/** Creates the error of bad input whose invalid part is known. */
export function invalidPart(field: string, message: string, cause?: unknown): HifiError {
  const error = invalidInput(message, cause);
  error.field = field;
  return error;
}

/** Part of the input with a wrong value. */
export interface WrongValue {
  /** Its path, such as `options.xi`. */
  field: string;
  /** Invalid value: {@link shown}, or words such as `missing`. */
  value: string;
  /** Valid values, such as `above 0, at most 1`. */
  expected: string;
}

/**
 * Creates an INVALID_INPUT error with the value and what would be right, such as
 * `options.xi is 2; it must be above 0, at most 1`.
 *
 * @param named name of the part in the message
 */
export function invalidValue(wrong: WrongValue, named: string = wrong.field, cause?: unknown): HifiError {
  const { field, value, expected } = wrong;
  const error = invalidPart(field, `${named} is ${value}; it must be ${expected}`, cause);
  return Object.assign(error, { value, expected });
}

/** A bad-input error for a request that calls its part `field`, in the error and in its message. */
export function renamed(error: HifiError, field: string, named = field): HifiError {
  const { value, expected } = error;
  if (value === undefined || expected === undefined) return invalidPart(field, `${named}: ${error.message}`, error);
  return invalidValue({ field, value, expected }, named, error);
}

/** A value as a message shows it, in at most 80 characters: JSON, or `missing`. */
export function shown(value: unknown): string {
  if (value === undefined) return 'missing';
  const text = typeof value === 'number' || typeof value === 'bigint' ? String(value) : JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}

/** The work that could not be finished though its input was valid. */
export const failed = (message: string, cause?: unknown) => new HifiError('FAILED', message, cause);

/** Creates the error of an option that needs what this machine lacks. */
export const unsupported = (message: string, cause?: unknown) => new HifiError('UNSUPPORTED', message, cause);

/** Creates the error of a training whose numbers ceased to be finite. A repeat would fail too. */
export const diverged = (message: string, cause?: unknown) => new HifiError('DIVERGED', message, cause);

/** Creates the error of a computing process that ended before its work was done. */
export const engineLost = (message: string, cause?: unknown) => new HifiError('ENGINE_LOST', message, cause);

/**
 * Creates the error of a write that found no room on the disk: a valid request, to be tried again
 * once there is room.
 */
export const noRoom = (message: string, cause?: unknown) => new HifiError('DISK_FULL', message, cause);

const NO_SPACE_CODES = ['ENOSPC', 'EDQUOT'] as const;

/**
 * Codes of lmdb: a system error number, or MDB_MAP_FULL. EFBIG counts too: lmdb has one file, and
 * its jobs can wait.
 */
const NO_SPACE_NUMBERS = [...[...NO_SPACE_CODES, 'EFBIG' as const].map((code) => os.constants.errno[code]), -30_792];

/**
 * Returns true if an error, or one of its causes, reports that a disk or a quota leaves no room for
 * a write. It knows the codes of Node.js, lmdb and this project.
 */
export function isNoSpace(thrown: unknown): boolean {
  const codes: readonly unknown[] = ['DISK_FULL', ...NO_SPACE_CODES, ...NO_SPACE_NUMBERS];
  const seen = new Set<unknown>();
  // An error of another realm, such as Jest's, is no instance of this realm's Error.
  let each = thrown;
  while (typeof each === 'object' && each !== null && !seen.has(each)) {
    seen.add(each);
    const { code, cause } = each as { code?: unknown; cause?: unknown };
    if (codes.includes(code)) return true;
    each = cause;
  }
  return false;
}

/**
 * Returns true if the process, or the system, has too many open files: a temporary condition that
 * says nothing about the file.
 */
export const isNoDescriptor = (thrown: unknown): boolean =>
  ['EMFILE', 'ENFILE'].includes(String((thrown as { code?: unknown } | null | undefined)?.code));

export const cancelled = () => new HifiError('CANCELLED', 'cancelled');

/**
 * Runs `work` and names the part of a request in its bad-input errors. A part that the error
 * already names is taken as relative to that part. It throws a copy, because callers that wait for
 * the same work each have a request of their own.
 */
export async function within<T>(field: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    const error = HifiError.from(thrown);
    if (error.code !== 'INVALID_INPUT') throw thrown;
    const { code, message, cause, stack, value, expected } = error;
    const part = error.field === undefined ? field : `${field}.${error.field}`;
    throw Object.assign(new HifiError(code, message, cause), { stack, value, expected, field: part });
  }
}
