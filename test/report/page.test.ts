import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import type { ErrorAnalysis } from '../../delta/error-analysis';
import { TRAIN_DEFAULTS } from '../../delta/training-options';
import { writeReport } from '../../report/files';
import type { ReportParts } from '../../report/parts';
import { sampleMask, sampleMetrics, sampleReport } from '../job/sample-results';
import { openBrowser } from '../support/browser';
import { onPage as onReport, violations } from '../support/report-page';
import { largeRun } from './large-report';
import { manyNames, severalErrors, wordErrors } from './sample-errors';

const [LAYERS, HEADS] = [24, 16];

let folder: string;
let browser: Browser;
/** Files of the reports, by case. */
const files: Record<string, string> = {};

const withErrors = (errorAnalysis: ErrorAnalysis): ReportParts => ({
  ...{ heads: sampleReport(), mask: sampleMask(), training: TRAIN_DEFAULTS },
  metrics: { ...sampleMetrics(), errorAnalysis },
});

const CASES: Record<string, ReportParts> = {
  large: largeRun(),
  run: { heads: sampleReport(), mask: sampleMask(), metrics: sampleMetrics(), training: TRAIN_DEFAULTS },
  analysis: { heads: sampleReport() },
  'one head': { heads: sampleReport(1, 1) },
  'layers of one head': { heads: sampleReport(3, 1) },
  'many heads': { heads: sampleReport(2, 48) },
  'many labels': withErrors(severalErrors(manyNames(28))),
  sentences: withErrors(wordErrors()),
};

beforeAll(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-page-'));
  for (const [name, parts] of Object.entries(CASES)) {
    writeReport(path.join(folder, name), parts);
    files[name] = path.join(folder, name, 'report.html');
  }
  browser = await openBrowser();
});

afterAll(async () => {
  await browser?.close();
  fs.rmSync(folder, { recursive: true });
});

/** Opens a page and checks that it logs nothing and makes no requests. */
const onPage = async (name: string, use: (page: Page) => Promise<void>, options?: BrowserContextOptions) =>
  expect(await onReport(browser, files[name], use, options)).toEqual([]);

const map = (page: Page, name: string) => page.locator(`svg.map[aria-label^="${name}"]`);

test('the report of a large model has less than 3 MB', () => {
  expect(fs.statSync(files.large).size).toBeLessThan(3e6);
});

test('every chart is drawn with all its parts', () =>
  onPage('large', async (page) => {
    const count = (selector: string) => page.locator(selector).count();
    for (const name of ['Information richness', 'PageRank', 'Stability', 'Tuned heads']) {
      expect(await map(page, name).locator('[role=gridcell]').count()).toBe(LAYERS * HEADS);
      expect(await map(page, name).locator('[role=row]').count()).toBe(LAYERS);
    }
    expect(await map(page, 'Tuned heads').locator('.yes[role=gridcell]').count()).toBe(3 * LAYERS);
    expect(await map(page, 'PageRank').locator('.chosen').count()).toBe(3 * LAYERS);
    expect(await count('#head .spectrum .bar, #head .spectrum rect.tail')).toBe(64);
    expect(await count('#graph .node')).toBe(HEADS);
    expect(await count('#graph .edge')).toBe((HEADS * (HEADS - 1)) / 2);
    expect(await count('#convergence .curve')).toBe(LAYERS);
    expect(await count('svg[aria-label="Loss of each epoch"] circle')).toBe(4);
    expect(await count('svg[aria-label="Dev metrics of each epoch"] circle')).toBe(2);
    expect(await count('svg.chart')).toBe(9);
    for (const chart of await page.locator('svg.chart').all()) {
      const box = await chart.boundingBox();
      expect(Math.min(box!.width, box!.height)).toBeGreaterThan(60);
    }
  }));

test('pointing at a head shows its numbers and marks it in every map', () =>
  onPage('large', async (page) => {
    const tip = page.locator('#tip');
    expect(await tip.isVisible()).toBe(false);
    await map(page, 'PageRank').locator('[data-head="2.5"]').hover();
    const { heads } = CASES.large;
    expect(await tip.textContent()).toContain(`PageRank ${heads.pagerank[2][5].toFixed(4)}`);
    expect(await tip.textContent()).toContain(`richness ${heads.richness[2][5].toFixed(2)}`);
    expect(await page.locator('svg.map .near').count()).toBe(4);
    await page.mouse.move(3, 3);
    expect(await tip.isVisible()).toBe(false);
    await page.locator('#head .spectrum .bar').first().hover();
    expect(await tip.textContent()).toMatch(/^σ 1: \d/);
  }));

test('a click shows the spectrum of a head', () =>
  onPage('large', async (page) => {
    await map(page, 'Stability').locator('[data-head="7.3"]').click();
    expect(await page.locator('#head h3').first().textContent()).toBe('Head 3 of layer 7');
    const { spectrum, pagerank } = CASES.large.heads;
    expect(await page.locator('#head').textContent()).toContain(`PageRank ${pagerank[7][3].toFixed(4)}`);
    let [sum, cut] = [0, 0];
    while (sum < 0.9 * (1 - 1e-12)) sum += spectrum[7][3][cut++];
    expect(await page.locator('#head .spectrum').innerHTML()).toContain(`ξ = 0.9: ${cut} of 64`);
    expect(await page.locator('#head .spectrum .bar').count()).toBe(cut);
    expect(await page.locator('svg.map .shown').count()).toBe(4);
    expect(await page.locator('#head [data-part=xi] dd').count()).toBe(7);
  }));

test('the keyboard does what the pointer does', () =>
  onPage('large', async (page) => {
    const focused = () => page.evaluate(() => document.activeElement?.getAttribute('data-head'));
    // Each map is one tab stop.
    expect(await page.locator('svg.map [tabindex="0"]').count()).toBe(4);
    await page.locator('nav a').last().focus();
    await page.keyboard.press('Tab');
    expect(await focused()).toBe('0.0');
    expect(await page.locator('#tip').textContent()).toMatch(/^layer 0, head 0/);
    for (const key of ['ArrowDown', 'ArrowDown', 'ArrowRight', 'ArrowUp']) await page.keyboard.press(key);
    expect(await focused()).toBe('1.1');
    expect(await page.locator('#tip').textContent()).toMatch(/^layer 1, head 1/);
    await page.keyboard.press('Enter');
    expect(await page.locator('#head h3').first().textContent()).toBe('Head 1 of layer 1');
    await page.keyboard.press('Escape');
    expect(await page.locator('#tip').isVisible()).toBe(false);
    for (const [key, head] of [
      ['End', '1.15'],
      ['ArrowRight', '1.15'],
      ['Home', '1.0'],
      ['ArrowLeft', '1.0'],
      ['Control+End', '23.15'],
      ['ArrowDown', '23.15'],
      ['Control+Home', '0.0'],
    ]) {
      await page.keyboard.press(key);
      expect([key, await focused()]).toEqual([key, head]);
    }
    await page.keyboard.press('Tab');
    expect(await page.evaluate(() => document.activeElement?.closest('svg')?.getAttribute('aria-label'))).toMatch(
      /^PageRank/,
    );
  }));

test('the graph shows the chosen layer and correlation', () =>
  onPage('large', async (page) => {
    const { correlation } = CASES.large.heads;
    const caption = () => page.locator('#graph-caption').textContent();
    const strongest = () => page.locator('#pairs tbody tr').first().locator('td').allTextContents();
    await page.getByRole('combobox').selectOption('layer 3');
    expect(await caption()).toMatch(/^All 120 pairs of the heads of layer 3, pearson\./);
    const [a, b, r] = await strongest();
    const first = 3 * HEADS;
    const rows = correlation.pearson.slice(first, first + HEADS).map((row) => row.slice(first, first + HEADS));
    const best = Math.max(...rows.flatMap((row, i) => row.filter((_, j) => j !== i)));
    expect(r).toBe(best.toPrecision(3));
    expect(rows[Number(a)][Number(b)]).toBe(best);

    await page.getByLabel('covariance').check();
    expect(await caption()).toContain('covariance');
    expect((await strongest())[2]).not.toBe(r);

    const node = page.locator('#graph .node').nth(4);
    await node.hover();
    expect(await page.locator('#graph .edge.of').count()).toBe(HEADS - 1);
    await page.locator('#graph .node').first().focus();
    await page.keyboard.press('ArrowLeft');
    expect(await page.evaluate(() => document.activeElement?.getAttribute('data-head'))).toBe('3.15');
    await page.keyboard.press(' ');
    expect(await page.locator('#head h3').first().textContent()).toBe('Head 15 of layer 3');

    await page.getByRole('combobox').selectOption('the whole model');
    expect(await page.locator('#graph .node').count()).toBe(LAYERS * HEADS);
    expect(await page.locator('#graph .edge').count()).toBe(300);
    expect(await page.locator('#pairs tbody tr').count()).toBe(10);
  }));

test('a confusion matrix has counts at the pointer, wrong words their tags, and no cell shows a head', () =>
  onPage('sentences', async (page) => {
    const { confusion, worst } = CASES.sentences.metrics!.errorAnalysis!;
    const cell = map(page, 'Confusion matrix').locator('[data-at="0.1"]');
    await cell.hover();
    expect(await page.locator('#tip').textContent()).toContain(
      `LOC predicted as ORG: ${confusion!.matrix[0][1]} entities`,
    );
    const head = () => page.locator('#head h3').first().textContent();
    const before = await head();
    await cell.click();
    expect(await head()).toBe(before);
    const wrong = worst.flatMap(({ label, predicted }) =>
      (label as string[]).filter((tag, at) => tag !== (predicted as string[])[at]),
    );
    expect(await page.locator('table.rows mark').count()).toBe(wrong.length);
    expect(await page.locator('table.rows script').count()).toBe(0);
  }));

test('buttons copy the code', () =>
  onPage(
    'large',
    async (page) => {
      await page.getByRole('button', { name: 'Copy: transformers', exact: true }).click();
      await page.locator('#status', { hasText: ': transformers' }).waitFor({ state: 'attached' });
      expect(await page.locator('#status').textContent()).toBe('Copied: transformers');
      expect(await page.evaluate(() => navigator.clipboard.readText())).toContain('from_pretrained("checkpoint")');
    },
    { permissions: ['clipboard-read', 'clipboard-write'] },
  ));

test.each(Object.keys(CASES))('axe finds no fault in light or dark: %s', (name) =>
  onPage(name, async (page) => expect(await violations(page)).toEqual([])),
);

test('the dark theme has a dark background', () =>
  onPage(
    'run',
    async (page) => {
      expect(await page.evaluate(() => getComputedStyle(document.body).backgroundColor)).toBe('rgb(15, 20, 24)');
      await page.emulateMedia({ media: 'print' });
      expect(await page.evaluate(() => getComputedStyle(document.body).backgroundColor)).toBe('rgb(255, 255, 255)');
    },
    { colorScheme: 'dark' },
  ));

test.each(Object.keys(CASES))('the page fits into 400 pixels: %s', (name) =>
  onPage(
    name,
    async (page) => {
      const widths = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
      expect(widths[0]).toBeLessThanOrEqual(widths[1]);
    },
    { viewport: { width: 400, height: 800 } },
  ),
);

test('a print has the charts of the screen, without buttons and forms', () =>
  onPage('large', async (page) => {
    await page.emulateMedia({ media: 'print' });
    for (const selector of ['form', 'nav', '.code button']) {
      expect(await page.locator(selector).first().isVisible()).toBe(false);
    }
    for (const chart of await page.locator('svg.chart').all()) expect(await chart.isVisible()).toBe(true);
    expect((await page.pdf({ format: 'A4' })).subarray(0, 5).toString()).toBe('%PDF-');
  }));

test('without scripts the page has everything but interaction', async () => {
  const context = await browser.newContext({ javaScriptEnabled: false });
  try {
    const page = await context.newPage();
    await page.goto(pathToFileURL(files.large).href);
    expect(await page.locator('svg.chart').count()).toBe(9);
  } finally {
    await context.close();
  }
});
