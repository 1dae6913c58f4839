import { type ChildProcess, spawn } from 'node:child_process';
import { until } from './until';

/** Server that a test has started. */
export interface ServerProcess {
  pid: number;
  /** Sends a signal and settles when the process has ended; at once if it already has. */
  kill(signal: NodeJS.Signals): Promise<void>;
}

/**
 * Starts a server and waits until `ready`, which is called repeatedly, succeeds.
 *
 * @returns the process and the result of `ready`
 * @throws Error with the server's last line if it ends or does not become ready; it has ended then
 */
export async function startProcess<T>(
  program: string,
  args: string[],
  ready: () => T | undefined | Promise<T | undefined>,
  env: Record<string, string> = {},
): Promise<{ server: ServerProcess; answer: T }> {
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ...env } });
  let words = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    words = (words + text).slice(-4096);
  });
  let failure: string | undefined;
  const gone = new Promise<void>((resolve) => {
    child.once('error', (error) => resolve(void (failure = error.message)));
    child.once('close', () => resolve(void (failure = words.trim().split('\n').pop())));
  });
  try {
    const answer = await until(
      async () => (failure === undefined ? { of: await ready() } : { failure }),
      ({ of, failure }) => failure !== undefined || of !== undefined,
      `${program} to be ready`,
    );
    if (answer.failure !== undefined) throw new Error(`${program} ended: ${answer.failure}`);
    return { server: { pid: child.pid as number, kill: (signal) => end(child, signal, gone) }, answer: answer.of as T };
  } catch (error) {
    await end(child, 'SIGKILL', gone);
    throw error;
  }
}

async function end(child: ChildProcess, signal: NodeJS.Signals, gone: Promise<void>): Promise<void> {
  child.kill(signal);
  await gone;
}
