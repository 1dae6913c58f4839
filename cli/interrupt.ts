/** Signals that end a process: Ctrl-C, `kill`, the closing of its terminal. */
export const END_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Creates a signal that aborts when the process receives such a signal. A second one ends the
 * process at once.
 */
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

/** Error codes of a write whose reader has gone: a closed pipe or a closed terminal. */
const GONE = ['EPIPE', 'EIO'];

/**
 * Handles errors of stdout and stderr. If the reader of stdout has gone (`hifi predict … | head`),
 * the process and its engines end quietly. Any other error of stdout is reported. Errors of stderr
 * never stop the work.
 */
export function endWithReader(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (GONE.includes(error.code as string)) process.exit(0);
    process.stderr.write(`hifi: stdout cannot be written: ${error.message}\n`);
    process.exit(4);
  });
  process.stderr.on('error', () => {});
  // If stderr is a file, its stream throws into the caller.
  const write = process.stderr.write.bind(process.stderr) as (...given: unknown[]) => boolean;
  process.stderr.write = ((...given: unknown[]) => {
    try {
      return write(...given);
    } catch {
      return true;
    }
  }) as typeof process.stderr.write;
}
