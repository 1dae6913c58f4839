import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { pathToFileURL } from 'node:url';
import { writeReport } from '../report/files';
import { largeRun } from '../test/report/large-report';
import { openBrowser } from '../test/support/browser';
import { spreadOf } from './candidate';

/** Loads of the page, each in a new profile, after one load as warm-up. */
const LOADS = 9;

/**
 * Measures the report of a model of BERT-large's size: the time to write it, the time until it is
 * ready in Chromium, and its bytes.
 *
 *   node --require ./test/support/typescript-hook.cjs bench/report.ts
 */
async function benchReport(): Promise<void> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-bench-report-'));
  const browser = await openBrowser();
  try {
    const parts = largeRun();
    const writing: number[] = [];
    for (let round = 0; round <= LOADS; round++) {
      const started = performance.now();
      writeReport(folder, parts);
      writing.push(performance.now() - started);
    }
    const file = path.join(folder, 'report.html');
    const ready: number[] = [];
    for (let round = 0; round <= LOADS; round++) {
      const context = await browser.newContext({ viewport: { width: 1200, height: 900 } });
      const page = await context.newPage();
      await page.goto(pathToFileURL(file).href);
      await page.locator('html[data-ready]').waitFor();
      ready.push(await page.evaluate(() => performance.getEntriesByName('ready')[0].startTime));
      await context.close();
    }
    const { layers, heads } = parts.heads.model;
    process.stdout.write(`${layers} × ${heads} heads, ${(fs.statSync(file).size / 1e6).toFixed(2)} MB\n`);
    for (const [what, times] of [
      ['written', writing],
      ['ready', ready],
    ] as const) {
      const { median, least, most } = spreadOf(times.slice(1));
      process.stdout.write(
        `${what}: ${median.toFixed(0)} ms (${least.toFixed(0)} … ${most.toFixed(0)}), ${LOADS} times\n`,
      );
    }
  } finally {
    await browser.close();
    fs.rmSync(folder, { recursive: true });
  }
}

benchReport();
