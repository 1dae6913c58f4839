import { lastLines, runCommand } from '../../foundation/command';
import { onPath } from '../../infra/on-path';

/** What Chromium is called; the first that is there is taken. */
const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];

/** The command that brings it. */
export const BROWSER_COMMAND = 'apt-get install -y chromium';

/** How long the download and the installation may take, in milliseconds. */
const INSTALL_MS = 600_000;

/** The browser that tests of pages drive: a Chromium on PATH. */
export const findBrowser = (): string | undefined => NAMES.map(onPath).find((found) => found !== undefined);

/**
 * Installs Chromium where there is none, on Debian and its kin as root. Elsewhere it says in a line what to do and goes on: the
 * tests that need it fail with that, all others run.
 *
 * @param log told a line where it is installed or missing; nothing where it is there
 */
export async function setUpTestBrowser(log: (line: string) => void): Promise<void> {
  if (findBrowser()) return;
  const reason = await install(log);
  if (reason === undefined) return;
  log(`tests of pages will fail: Chromium is not on PATH and was not installed: ${reason} (${BROWSER_COMMAND})`);
}

/** @returns why it could not be done, undefined where it was */
async function install(log: (line: string) => void): Promise<string | undefined> {
  if (onPath('apt-get') === undefined) return 'there is no apt-get';
  if (process.getuid?.() !== 0) return 'that takes root';
  log(`installing Chromium for the tests (${BROWSER_COMMAND})`);
  const run = (...args: string[]) =>
    runCommand('apt-get', args, {
      env: { DEBIAN_FRONTEND: 'noninteractive' },
      signal: AbortSignal.timeout(INSTALL_MS),
    }).catch(() => ({ status: 1, output: `not done after ${INSTALL_MS / 60_000} minutes` }));
  const [, ...install] = BROWSER_COMMAND.split(' ');
  let done = await run(...install);
  if (done.status !== 0) {
    // The lists of packages may be old, or not there.
    await run('update');
    done = await run(...install);
  }
  if (done.status !== 0) return lastLines(done.output, 1)[0] ?? `apt-get ended with status ${done.status}`;
  return findBrowser() ? undefined : 'apt-get brought none';
}
