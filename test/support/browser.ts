import { type Browser, chromium } from 'playwright-core';
import { BROWSER_COMMAND, findBrowser } from './test-browser';

/** Nothing of the browser's own goes anywhere. */
const ARGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/**
 * A Chromium without a window and with an empty profile, which goes with it.
 *
 * @throws Error with one line that says how to get it where there is none
 */
export async function openBrowser(): Promise<Browser> {
  const executablePath = findBrowser();
  if (!executablePath) throw new Error(`this test needs Chromium on PATH: ${BROWSER_COMMAND}`);
  return chromium.launch({ executablePath, args: ARGS });
}
