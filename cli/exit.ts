import { type ErrorCode, HifiError } from '../errors';

/** The one mapping from an error to the exit code of the process. */
const EXIT_CODES: Record<ErrorCode, number> = {
  INVALID_INPUT: 2,
  NOT_FOUND: 3,
  FAILED: 4,
  ENGINE_LOST: 4,
  CANCELLED: 130,
};

/** What a command that threw leaves behind: one line for stderr and the exit code. */
export interface Exit {
  line: string;
  code: number;
}

/** Any thrown value as the command's end. */
export function exitOf(thrown: unknown): Exit {
  const error = HifiError.from(thrown);
  return { line: `hifi: ${oneLine(error.message)}`, code: EXIT_CODES[error.code] };
}

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
