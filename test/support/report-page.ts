import * as fs from 'node:fs';
import { pathToFileURL } from 'node:url';
import type { RunOptions } from 'axe-core';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';

const AXE = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

/**
 * Runs a test on a page from a file, once the page is ready.
 *
 * @returns console messages of the page and requests beyond itself: none for a good page
 */
export async function onPage(
  browser: Browser,
  file: string,
  use: (page: Page) => Promise<void>,
  options: BrowserContextOptions = {},
): Promise<string[]> {
  const complaints: string[] = [];
  const context = await browser.newContext({ viewport: { width: 1200, height: 900 }, ...options });
  try {
    const page = await context.newPage();
    const url = pathToFileURL(file).href;
    page.on('console', (message) => complaints.push(`${message.type()}: ${message.text()}`));
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('request', (request) => request.url() !== url && complaints.push(`request: ${request.url()}`));
    await page.goto(url);
    await page.locator('html[data-ready]').waitFor();
    expect(await page.evaluate(() => performance.getEntriesByName('ready').length)).toBe(1);
    await use(page);
  } finally {
    await context.close();
  }
  return complaints;
}

/** Violations that axe finds: of every rule in the light theme, of colours in the dark one. */
export async function violations(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  const light = await axe(page, {});
  await page.emulateMedia({ colorScheme: 'dark' });
  return [...light, ...(await axe(page, { runOnly: ['color-contrast', 'link-in-text-block'] }))];
}

/** Runs axe. Without `resultTypes` it describes thousands of faultless elements too. */
const axe = (page: Page, options: RunOptions): Promise<string[]> =>
  page.evaluate(
    async (options) => {
      const { violations } = await (window as unknown as { axe: typeof import('axe-core') }).axe.run(options);
      return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
    },
    { ...options, resultTypes: ['violations' as const] },
  );
