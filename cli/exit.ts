import { type ErrorCode, HifiError } from '../foundation/errors';

/** The one mapping from an error to the exit code of the process. */
const EXIT_CODES: Record<ErrorCode, number> = {
  INVALID_INPUT: 2,
  NOT_FOUND: 3,
  FAILED: 4,
  DIVERGED: 4,
  ENGINE_LOST: 4,
  DISK_FULL: 4,
  CANCELLED: 130,
};

/** What a command that threw leaves behind: one line for stderr and the exit code. */
export interface Exit {
  line: string;
  code: number;
}

/**
 * Any thrown value as the command's end.
 *
 * @param verbose whether its causes are told besides; else the line says how to learn of them, where there are any and the
 *   message is not about what the user gave
 */
export function exitOf(thrown: unknown, verbose = false): Exit {
  const error = HifiError.from(thrown);
  const more = EXIT_CODES[error.code] === EXIT_CODES.FAILED && error.cause !== undefined && !verbose;
  return { line: `hifi: ${oneLine(error.message)}${more ? MORE : ''}`, code: EXIT_CODES[error.code] };
}

const MORE = '; --verbose tells the cause';

/** Bad usage, in the parser's words. */
export function usageExit(message: string): Exit {
  return { line: `hifi: ${oneLine(message.replace(/^error: /, ''))}`, code: EXIT_CODES.INVALID_INPUT };
}

/** A message may quote what a user gave or a library said: line breaks in it must not make it look like two errors. */
const oneLine = (message: string) =>
  message
    .split(/\s*[\r\n]+\s*/)
    .filter((part) => part !== '')
    .join(' ');
