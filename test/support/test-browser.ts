import { lastLines, runCommand } from '../../foundation/command';
import { onPath } from '../../infra/on-path';

/** Names of Chromium; the first one that is found is used. */
const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];

/** Command that installs it. */
export const BROWSER_COMMAND = 'apt-get install -y chromium';

/** Longest time of the download and the installation, in milliseconds. */
const INSTALL_MS = 600_000;

/** Finds the browser that tests of pages drive: a Chromium on PATH. */
export const findBrowser = (): string | undefined => NAMES.map(onPath).find((found) => found !== undefined);

/**
 * Installs Chromium if it is missing, on Debian and its derivatives as root. Elsewhere it logs one
 * line on what to do and continues. Tests that need it fail with that reason; all others run.
 *
 * @param log receives a line if Chromium is installed or missing; none if it exists
 */
export async function setUpTestBrowser(log: (line: string) => void): Promise<void> {
  if (findBrowser()) return;
  const reason = await install(log);
  if (reason === undefined) return;
  log(`tests of pages will fail: Chromium is not on PATH and was not installed: ${reason} (${BROWSER_COMMAND})`);
}

/** Installs Chromium. @returns the reason of a failure, or undefined */
async function install(log: (line: string) => void): Promise<string | undefined> {
  if (onPath('apt-get') === undefined) return 'there is no apt-get';
  if (process.getuid?.() !== 0) return 'this needs root';
  log(`installing Chromium for the tests (${BROWSER_COMMAND})`);
  const run = (...args: string[]) =>
    runCommand('apt-get', args, {
      env: { DEBIAN_FRONTEND: 'noninteractive' },
      signal: AbortSignal.timeout(INSTALL_MS),
    }).catch(() => ({ status: 1, output: `not done after ${INSTALL_MS / 60_000} minutes` }));
  const [, ...install] = BROWSER_COMMAND.split(' ');
  let done = await run(...install);
  if (done.status !== 0) {
    // The package lists may be old or missing.
    await run('update');
    done = await run(...install);
  }
  if (done.status !== 0) return lastLines(done.output, 1)[0] ?? `apt-get ended with status ${done.status}`;
  return findBrowser() ? undefined : 'apt-get installed none';
}
