import { figures } from './figures';
import { htmlPage } from './html-page';
import { pageData } from './page-data';
import type { ReportParts } from './parts';
import { SCRIPT } from './script';
import { sections } from './sections';
import { answers } from './words';

export type { ReportParts } from './parts';

/**
 * The report of an analysis or a run: one page of HTML that needs nothing besides itself, light or dark as its reader likes, fit to print.
 * It is drawn in this thread: some hundred milliseconds.
 *
 * @param parts what there is to tell: an analysis alone, or all of a run
 * @returns the page's text
 */
export function renderReport(parts: ReportParts): string {
  const { model, data } = parts.heads;
  return htmlPage({
    title: `${model.name} on ${data.path.split('/').slice(-2).join('/')}`,
    lead: 'Attention heads by information richness and correlation (HiFi, ACL 2023). Layers and heads count from 0.',
    answers: answers(parts),
    sections: sections(parts, figures(parts)),
    data: pageData(parts),
    script: SCRIPT,
  });
}
