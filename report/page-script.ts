import { copying } from './page/copying';
import type { Page } from './page/page';
import { rove } from './page/rove';
import { tips } from './page/tips';

/** A part of a page's script: uses nothing but its argument and what browsers have, and imports types alone. */
export type PagePart = (page: Page) => void;

/**
 * A page's script: the texts of the functions themselves, so that what draws here draws there and no bundle has to be built.
 * It marks the page as ready when all is drawn.
 *
 * @param parts in the order they run, after those that every page has
 * @param draw the functions that draw in the page, by name
 */
export function pageScript(parts: readonly PagePart[], draw: Record<string, (chart: never) => string> = {}): string {
  const drawing = Object.entries(draw).map(([name, text]) => `, ${name}: ${text}`);
  return `(() => {
'use strict';
const page = { data: JSON.parse(document.getElementById('data').textContent)${drawing.join('')} };
for (const part of [${[rove, tips, ...parts, copying].join(',\n')}]) part(page);
document.documentElement.dataset.ready = 'yes';
performance.mark('ready');
})();`;
}
