import { figures } from './figures';
import { htmlPage } from './html-page';
import { pageData } from './page-data';
import type { ReportParts } from './parts';
import { SCRIPT } from './script';
import { sections } from './sections';
import { answers } from './sentences';

export type { ReportParts } from './parts';

/**
 * Renders the report of an analysis or a run as one self-contained HTML page, light or dark by the
 * reader's preference, ready for print. It blocks its thread for some hundred milliseconds.
 *
 * @param parts an analysis, or all results of a run
 * @returns text of the page
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
