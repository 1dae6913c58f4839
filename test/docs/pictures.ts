import * as fs from 'node:fs';
import * as path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Page } from 'playwright-core';
import { openBrowser } from '../support/browser';

/*
 * Takes the pictures in docs/pictures, from the demo's report:
 *
 *   npm run demo
 *   node --require ./test/support/typescript-hook.cjs test/docs/pictures.ts \
 *     demo-out/heads/report.html docs/pictures
 */

/** Width of the page, in pixels. */
const WIDTH = 1080;

/** Parts on each picture: from the top of the first to the end of the last. */
const PICTURES: Record<string, [from: string, to: string]> = {
  'report.png': ['#heads', '.maps'],
  'head.png': ['#head', '#head'],
  'correlation.png': ['#correlation', '.beside'],
  'training.png': ['#training', '.pair'],
};

/**
 * Takes the pictures of a report in Chromium, in light colours.
 *
 * @param report report.html of a whole run
 * @param folder folder of the PNG files
 * @returns names of the files
 * @throws Error if the report lacks a part
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

/** Area of the whole width from one part to another, with a margin. */
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
