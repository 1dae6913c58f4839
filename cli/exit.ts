import { type ErrorCode, HifiError } from '../foundation/errors';

/** Exit code of each error code. No other place maps them. */
const EXIT_CODES: Record<ErrorCode, number> = {
  INVALID_INPUT: 2,
  NOT_FOUND: 3,
  FAILED: 4,
  UNSUPPORTED: 4,
  DIVERGED: 4,
  ENGINE_LOST: 4,
  DISK_FULL: 4,
  CANCELLED: 130,
};

/** End of a failed command: one line for stderr and the exit code. */
export interface Exit {
  line: string;
  code: number;
}

/**
 * Converts any thrown value to a command's end.
 *
 * @param verbose true if the caller prints the causes. Otherwise the line of an internal failure
 *   with a cause names the flag that prints it.
 */
export function exitOf(thrown: unknown, verbose = false): Exit {
  const error = HifiError.from(thrown);
  const more = EXIT_CODES[error.code] === EXIT_CODES.FAILED && error.cause !== undefined && !verbose;
  return { line: `hifi: ${oneLine(error.message)}${more ? MORE : ''}`, code: EXIT_CODES[error.code] };
}

const MORE = '; --verbose prints the cause';

/** Converts the parser's message on bad usage to a command's end. */
export function usageExit(message: string): Exit {
  return { line: `hifi: ${oneLine(message.replace(/^error: /, ''))}`, code: EXIT_CODES.INVALID_INPUT };
}

/** Joins the lines of a message: a quoted text must not make it look like two errors. */
const oneLine = (message: string) =>
  message
    .split(/\s*[\r\n]+\s*/)
    .filter((part) => part !== '')
    .join(' ');
