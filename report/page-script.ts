import { copying } from './page/copying';
import type { Page } from './page/page';
import { rove } from './page/rove';
import { tips } from './page/tips';

/** Part of a page's script. Uses only its argument and the browser's API; imports only types. */
export type PagePart = (page: Page) => void;

/**
 * Assembles a page's script from the texts of functions, so that it needs no bundle and draws with
 * the same code as Node. The script marks the page as ready when all is drawn.
 *
 * @param parts parts in the order they run, after those of every page
 * @param draw functions that draw in the page, by name
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
