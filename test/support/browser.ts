import { type Browser, chromium } from 'playwright-core';
import { BROWSER_COMMAND, findBrowser } from './test-browser';

/** Flags that disable the browser's own requests. */
const ARGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/**
 * Opens a headless Chromium with an empty profile, which is removed with it.
 *
 * @throws Error with one line on how to install Chromium if it is missing
 */
export async function openBrowser(): Promise<Browser> {
  const executablePath = findBrowser();
  if (!executablePath) throw new Error(`this test needs Chromium on PATH: ${BROWSER_COMMAND}`);
  return chromium.launch({ executablePath, args: ARGS });
}
