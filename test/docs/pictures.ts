import * as fs from 'node:fs';
import * as path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Page } from 'playwright-core';
import { openBrowser } from '../support/browser';

/*
 * The pictures in docs/pictures, of the report that the demo leaves:
 *
 *   npm run demo
 *   node --require ./test/support/typescript-hook.cjs test/docs/pictures.ts demo-out/heads/report.html docs/pictures
 */

/** Pixels of the page's width. */
const WIDTH = 1080;

/** What is on each picture: from the top of the first to the end of the last. */
const PICTURES: Record<string, [from: string, to: string]> = {
  'report.png': ['#heads', '.maps'],
  'head.png': ['#head', '#head'],
  'correlation.png': ['#correlation', '.beside'],
  'training.png': ['#training', '.pair'],
};

/**
 * Takes the pictures of a report in Chromium, in its light colours.
 *
 * @param report a report.html of a whole run
 * @param folder where the PNG files go
 * @returns their names
 * @throws Error where the report has no such part
 */
export async function takePictures(report: string, folder: string): Promise<string[]> {
  fs.mkdirSync(folder, { recursive: true });
  const browser = await openBrowser();
  try {
    const page = await browser.newPage({ viewport: { width: WIDTH, height: 900 }, colorScheme: 'light' });
    await page.goto(pathToFileURL(path.resolve(report)).href);
    await page.locator('html[data-ready]').waitFor();
    for (const [name, [from, to]] of Object.entries(PICTURES)) {
      await page.screenshot({ path: path.join(folder, name), fullPage: true, clip: await clipOf(page, from, to) });
    }
    return Object.keys(PICTURES);
  } finally {
    await browser.close();
  }
}

/** The whole width from one part to another, with some room. */
async function clipOf(page: Page, from: string, to: string) {
  const boxes = [];
  for (const part of [from, to]) {
    const box = await page.locator(part).first().boundingBox({ timeout: 5000 });
    if (!box) throw new Error(`the report does not show ${part}`);
    boxes.push(box);
  }
  const y = Math.max(0, boxes[0].y - 16);
  return { x: 0, y, width: WIDTH, height: boxes[1].y + boxes[1].height + 16 - y };
}

if (require.main === module) {
  const [report, folder] = process.argv.slice(2);
  takePictures(report, folder).then((names) => {
    for (const name of names) {
      const file = path.join(folder, name);
      process.stdout.write(`${file}  ${Math.ceil(fs.statSync(file).size / 1000)} kB\n`);
    }
  });
}
