/** What tells a process to end: Ctrl-C, `kill`, the closing of its terminal. */
export const END_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** A signal that aborts when the process is told to end. A second one ends it at once. */
export function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  for (const name of END_SIGNALS) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(130);
      controller.abort();
    });
  }
  return controller.signal;
}

/** Codes of a write whose reader has gone: the other end of a pipe, or a terminal that was closed. */
const GONE = ['EPIPE', 'EIO'];

/**
 * Says what becomes of a process whose output is not taken. A reader of stdout that has gone (`hifi predict … | head`) is no error:
 * the process ends quietly, its engines with it; an answer that stdout cannot take otherwise is one. Of stderr nothing hurts the
 * work.
 */
export function endWithReader(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (GONE.includes(error.code as string)) process.exit(0);
    process.stderr.write(`hifi: stdout cannot take the answer: ${error.message}\n`);
    process.exit(4);
  });
  process.stderr.on('error', () => {});
  // Where it is a file its stream throws into its caller.
  const write = process.stderr.write.bind(process.stderr) as (...given: unknown[]) => boolean;
  process.stderr.write = ((...given: unknown[]) => {
    try {
      return write(...given);
    } catch {
      return true;
    }
  }) as typeof process.stderr.write;
}
