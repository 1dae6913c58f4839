import * as fs from 'node:fs';
import * as path from 'node:path';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { renderComparison } from '../../compare/comparison-page';
import { columnsOf } from '../../compare/tables';
import { openBrowser } from '../support/browser';
import { temporaryFolder } from '../support/deltas';
import { onPage, violations } from '../support/report-page';
import { COMPARISONS } from './sample-comparison';

const folder = temporaryFolder('comparison-page');
const fileOf = (name: string) => path.join(folder, `${name.replaceAll(' ', '-')}.html`);
const NAMES = Object.keys(COMPARISONS);
const { results, runs } = COMPARISONS.cola;
let browser: Browser;

beforeAll(async () => {
  for (const name of NAMES) fs.writeFileSync(fileOf(name), renderComparison(COMPARISONS[name]));
  browser = await openBrowser();
});
afterAll(async () => {
  await browser?.close();
  fs.rmSync(folder, { recursive: true });
});

const on = async (name: string, use: (page: Page) => Promise<void>, options?: BrowserContextOptions) =>
  expect(await onPage(browser, fileOf(name), use, options)).toEqual([]);

const chart = (page: Page, label: string) => page.locator(`svg.chart[aria-label^="${label}"]`);
const near = (page: Page) => page.locator('.chart .near');

test.each(NAMES)('%s: the page has less than 3 MB and only finite numbers', (name) => {
  const page = fs.readFileSync(fileOf(name), 'utf8');
  expect(page.length).toBeLessThan(3e6);
  expect(page.replace(/<script>[\s\S]*/, '')).not.toMatch(/NaN|Infinity|undefined|\[object|null/);
});

test('the page of a real comparison draws every chart with all its parts', () =>
  on('cola', async (page) => {
    const { standings } = results;
    const [count, seeds] = [standings.length, results.seeds.length];
    const scores = chart(page, 'Test matthews of each method and seed');
    expect(await scores.locator('circle.dot').count()).toBe(count * seeds);
    expect(await scores.locator('rect.at').count()).toBe(count);
    expect(await scores.locator('path.curve').count()).toBe(count);
    const differences = chart(page, 'Test matthews of each method minus that of random');
    expect(await differences.locator('circle').count()).toBe(count - 1);
    expect(await differences.locator('path.curve').count()).toBe(count - 1);
    expect(await differences.locator('path.dashed').count()).toBe(1);
    const shares = standings.flatMap(({ improvement }) => (improvement ? [improvement.value.toFixed(2)] : []));
    const ends = await differences.locator('text.end').allTextContents();
    for (const share of shares) expect(ends).toContain(share);
    expect(await chart(page, 'Test matthews over trainable parameters').locator('circle').count()).toBe(count);
    expect(await chart(page, 'Seconds').locator('rect.part[data-at]').count()).toBe(2 * count);
    expect(await chart(page, 'Peak memory').locator('rect.part[data-at]').count()).toBe(count - 1); // not of logistic
    const rates = chart(page, 'Dev matthews');
    expect(await rates.locator('[role=gridcell]').count()).toBe(3 * (count - 1));
    expect(await rates.locator('.chosen[role=gridcell]').count()).toBe(count - 1);
    const maps = page.locator('svg[aria-label^="Heads that"]');
    expect(await maps.count()).toBe(9); // none and logistic choose none
    expect(await maps.first().locator('[role=gridcell]').count()).toBe(6 * 12);
    for (const each of await page.locator('svg.chart').all()) {
      const box = await each.boundingBox();
      expect(Math.min(box!.width, box!.height)).toBeGreaterThan(60);
    }
  }));

test('the page of a real comparison shows the measured values', () =>
  on('cola', async (page) => {
    const cells = await page.locator('[aria-label="Standings"] tbody tr').first().locator('th, td').allTextContents();
    const columns = columnsOf(results).filter(({ rank }) => rank <= 5);
    expect(cells).toEqual(columns.map(({ cell }) => cell(results.standings[0])));
    // The leads are computed from the values of the runs: movement's three against another's three.
    const values = (name: string) => results.standings.find(({ contestant }) => contestant === name)!.values;
    const lead = (name: string) => values('movement').map((value, seed) => value - values(name)[seed]);
    const sentences = await page.locator('section[aria-labelledby="standings"] p').first().textContent();
    for (const { contestant } of results.standings.slice(1)) {
      const whole = lead(contestant).every((value) => value > 0);
      expect([contestant, new RegExp(`Over [^.]*\\b${contestant}\\b[^.]*interval`).test(sentences!)]).toEqual([
        contestant,
        whole,
      ]);
    }
    expect(sentences).toMatch(/^movement has the highest test matthews, 0\.0725 \(0\.0578 to 0\.0821\)\./);
    const seconds = await page.locator('[aria-label="Cost"] tbody tr').first().locator('td').allTextContents();
    const memory = Math.max(
      ...runs.counted.flatMap((run) => (run.contestant === 'movement' ? [run.peakRssBytes!] : [])),
    );
    expect(Number(seconds.at(-1))).toBe(Math.round(memory / 1e6));
    const { heads } = runs.counted.find(({ contestant, seed }) => contestant === 'bottom' && seed === 1)!;
    const times = runs.counted.filter(
      (run) => run.contestant === 'bottom' && run.heads.some((head) => String(head) === String(heads[0])),
    );
    await expect(
      page
        .locator(`svg[aria-label="Heads that bottom chose"] [data-at="${heads[0].join('.')}"]`)
        .getAttribute('aria-label'),
    ).resolves.toMatch(new RegExp(`in ${times.length} of 3 seeds$`));
    const repeat = await page.locator('section[aria-labelledby="repeat"]').textContent();
    for (const hash of [results.settings.model.sha256, results.settings.data.train, ...results.settings.data.test]) {
      expect(repeat).toContain(hash);
    }
  }));

test('pointing at a part shows its value and marks its method in every chart', () =>
  on('cola', async (page) => {
    const tip = page.locator('#tip');
    const { difference, improvement } = results.standings[0];
    await chart(page, 'Test matthews of each method minus').locator('circle').first().hover();
    expect(await tip.textContent()).toBe(
      `movement − random: +${difference!.value.toFixed(4)} (+0.0232 to +0.0354); P(> random) ${improvement!.value.toFixed(2)}`,
    );
    const marked = await near(page).evaluateAll((all) =>
      all.map((each) => each.closest('svg')!.getAttribute('aria-label')!),
    );
    expect(new Set(marked).size).toBe(7); // score, difference, both costs, seconds, memory, rates
    await page.mouse.move(3, 3);
    expect([await tip.isVisible(), await near(page).count()]).toEqual([false, 0]);
    await chart(page, 'Dev matthews').locator('[data-at="0.2"]').hover();
    expect(await tip.textContent()).toMatch(
      /movement, learning rate 0\.003: dev matthews 0\.0241 after epoch \d, the best$/,
    );
    await page.locator('svg[aria-label="Heads that hifi chose"] [data-at="1.8"]').hover();
    expect(await page.locator('svg[aria-label^="Heads that"] .near').count()).toBe(9);
  }));

test('the keyboard does what the pointer does', () =>
  on('cola', async (page) => {
    const stops = await page.locator('svg.chart [tabindex="0"]').count();
    expect(stops).toBe(await page.locator('svg.chart').count()); // one a chart
    const tip = () => page.locator('#tip').textContent();
    await page.locator('nav a').last().focus();
    await page.keyboard.press('Tab');
    expect(await tip()).toBe('movement: 0.0725 (0.0578 to 0.0821)');
    await page.keyboard.press('ArrowRight');
    expect(await tip()).toBe('movement, seed 0: 0.0821');
    await page.keyboard.press('ArrowDown');
    expect(await tip()).toBe('hifi-mid-top, seed 0: 0.0793');
    await page.keyboard.press('Enter'); // no effect: the tip has no more lines
    await page.keyboard.press('Escape');
    expect(await page.locator('#tip').isVisible()).toBe(false);
  }));

test('the command is copied', () =>
  on(
    'cola',
    async (page) => {
      await page.getByRole('button', { name: 'Copy: the command line' }).click();
      await page.locator('#status', { hasText: 'Copied' }).waitFor({ state: 'attached' });
      const command = await page.evaluate(() => navigator.clipboard.readText());
      expect(command.replaceAll(/ \\\n */g, ' ')).toBe(
        'npx hifi compare --model all-MiniLM-L6-v2 --train train.tsv --test dev.tsv --test dev_out_of_domain.tsv --task cola ' +
          '--strategies movement,hifi-mid-top,logistic,gradient,hifi-literal,richness-only,bottom,hifi,grad-l1,random,none ' +
          '--seeds 3 --reference random --rows 1000 --lrs 0.0003,0.001,0.003 --k 3 --tune qkv --samples 300 --epochs 3 ' +
          '--batch-size 32 --warmup 0.06 --weight-decay 0 --max-length 128 --device auto --out out',
      );
    },
    { permissions: ['clipboard-read', 'clipboard-write'] },
  ));

test('a single seed has no interval, a single method no difference', async () => {
  await on('one seed', async (page) => {
    expect(await page.locator('svg.intervals path.curve').count()).toBe(0);
    expect(await page.locator('#standings ~ p').first().textContent()).toContain(
      'One seed does not show how certain that is',
    );
    expect(await page.locator('#rates').count()).toBe(0); // one rate: nothing was searched
  });
  await on('one method', async (page) => {
    expect(await page.locator('#differences').count()).toBe(0);
    expect(await page.locator('#standings ~ p').first().textContent()).toContain('There is no other method');
  });
});

test('a method whose training failed has its reason but no standing', () =>
  on('failed', async (page) => {
    expect(await page.locator('[aria-label="Standings"] tbody tr').count()).toBe(2);
    expect(await page.locator('#standings ~ .note').allTextContents()).toContain(
      'movement is excluded: it failed on seed 0 (the loss of step 7 is not a number).',
    );
    const rates = chart(page, 'Dev accuracy');
    expect(await rates.locator('.none[role=gridcell]').count()).toBe(4); // movement at both learning rates, the others at the second
    await rates.locator('.none').last().hover();
    expect(await page.locator('#tip').textContent()).toBe(
      'movement, learning rate 0.01: failed (the loss of step 7 is not a number)',
    );
    expect(await page.locator('section[aria-labelledby="rates"] li').count()).toBe(4);
  }));

test('twenty seeds give twenty dots per method', () =>
  on('twenty seeds', async (page) => {
    expect(await page.locator('circle.dot').count()).toBe(4 * 20);
    const sentences = await page.locator('section[aria-labelledby="standings"] p').allTextContents();
    expect(sentences.join(' ')).not.toContain('With 20 seeds');
  }));

test.each(NAMES)('axe finds no fault in light or dark: %s', (name) =>
  on(name, async (page) => expect(await violations(page)).toEqual([])),
);

test.each(NAMES)('the page fits into 400 pixels, and its print has all charts: %s', async (name) => {
  await on(
    name,
    async (page) => {
      const widths = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
      expect(widths[0]).toBeLessThanOrEqual(widths[1]);
    },
    { viewport: { width: 400, height: 800 } },
  );
  // A4 without its margins.
  await on(
    name,
    async (page) => {
      await page.emulateMedia({ media: 'print' });
      for (const each of await page.locator('svg.chart').all()) expect(await each.isVisible()).toBe(true);
      for (const hidden of ['nav', '.code button']) expect(await page.locator(hidden).first().isVisible()).toBe(false);
      expect((await page.pdf({ format: 'A4' })).subarray(0, 5).toString()).toBe('%PDF-');
    },
    { colorScheme: 'dark' },
  );
});
