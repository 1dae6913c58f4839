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

/** A reader that has gone (`hifi predict … | head`) is no error: the process ends quietly, its engines with it. */
export function endWithReader(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (!GONE.includes(error.code as string)) throw error;
    process.exit(0);
  });
  process.stderr.on('error', (error: NodeJS.ErrnoException) => {
    // Nobody reads the progress: the work goes on.
    if (!GONE.includes(error.code as string)) throw error;
  });
}
