import { SelectionError } from './heads/select';

/**
 * What went wrong, as far as a caller can act on it. The command line's exit codes follow from it. `ENGINE_LOST`: the process
 * that computed is gone (killed, crashed, hung), which says nothing against the request: it may be tried again.
 */
export type ErrorCode = 'INVALID_INPUT' | 'NOT_FOUND' | 'FAILED' | 'ENGINE_LOST' | 'CANCELLED';

/** The one error type of the project: a line for a person, a code for a program and the cause for a log. */
export class HifiError extends Error {
  override readonly name = 'HifiError';

  constructor(
    readonly code: ErrorCode,
    message: string,
    cause?: unknown,
  ) {
    super(message, { cause });
  }

  /** Any thrown value as a `HifiError`; what is not known is `FAILED`. */
  static from(thrown: unknown): HifiError {
    if (thrown instanceof HifiError) return thrown;
    if (thrown instanceof SelectionError) return new HifiError('INVALID_INPUT', thrown.message, thrown);
    if (thrown instanceof Error && thrown.name === 'AbortError') return cancelled();
    return new HifiError('FAILED', thrown instanceof Error ? thrown.message : String(thrown), thrown);
  }
}

/** Bad input: `message` is one line that names the thing, what it was and what would be right. */
export const invalidInput = (message: string, cause?: unknown) => new HifiError('INVALID_INPUT', message, cause);

/** The work could not be finished though its input was good. */
export const failed = (message: string, cause?: unknown) => new HifiError('FAILED', message, cause);

/** The process that did the work ended before it was done. */
export const engineLost = (message: string, cause?: unknown) => new HifiError('ENGINE_LOST', message, cause);

export const cancelled = () => new HifiError('CANCELLED', 'cancelled');
