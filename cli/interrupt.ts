/**
 * A signal that aborts when the process is told to end (Ctrl-C, `kill`). A second one ends it at once.
 */
export function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(130);
      controller.abort();
    });
  }
  return controller.signal;
}

/** A reader that has gone (`hifi predict … | head`) is no error: the process ends quietly, its engines with it. */
export function endWithReader(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(0);
  });
  process.stderr.on('error', (error: NodeJS.ErrnoException) => {
    // Nobody reads the progress: the work goes on.
    if (error.code !== 'EPIPE') throw error;
  });
}
