/// <reference lib="dom" />
import type { Page } from './page';

/** Makes every chart with texts one stop of the tab key. */
export function charts(page: Page): void {
  for (const chart of document.querySelectorAll('.chart')) {
    if (chart.querySelector('[data-at]')) page.rove(chart, '[data-at]');
  }
}
