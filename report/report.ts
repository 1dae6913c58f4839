import * as crypto from 'node:crypto';
import { escapeXml } from './draw/theme';
import { figures } from './figures';
import { pageData } from './page-data';
import type { ReportParts } from './parts';
import { SCRIPT } from './script';
import { sections } from './sections';
import { STYLE } from './style';
import { answers } from './words';

export type { ReportParts } from './parts';

/** A browser that opens the page asks no one for anything: it may run this script and no other. */
const POLICY = `default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-${crypto.createHash('sha256').update(SCRIPT).digest('base64')}'; base-uri 'none'; form-action 'none'`;

/**
 * The report: one page of HTML that needs nothing besides itself, light or dark as its reader likes, fit to print. It is drawn in this
 * thread: some hundred milliseconds.
 *
 * @param parts what there is to tell: an analysis alone, or all of a run
 * @returns the page's text
 */
export function renderReport(parts: ReportParts): string {
  const { heads } = parts;
  const title = `${heads.model.name} on ${heads.data.path.split('/').slice(-2).join('/')}`;
  const all = sections(parts, figures(parts));
  const contents = all.map(({ id, name }) => `<li><a href="#${id}">${name}</a></li>`).join('');
  const body = all.map(
    ({ id, name, html }) => `<section aria-labelledby="${id}">\n<h2 id="${id}">${name}</h2>\n${html}\n</section>`,
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>HiFi heads: ${escapeXml(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<header>
<h1>${escapeXml(title)}</h1>
<p class="lead">Attention heads by information richness and correlation (HiFi, ACL 2023). Layers and heads count from 0.</p>
<nav aria-label="Contents"><ul>${contents}</ul></nav>
${facts(parts)}
</header>
${body.join('\n')}
<p id="told" class="unseen" role="status"></p>
</main>
<script type="application/json" id="data">${JSON.stringify(pageData(parts)).replaceAll('<', '\\u003c')}</script>
<script>${SCRIPT}</script>
</body>
</html>
`;
}

/** The first questions, each with its number. */
function facts(parts: ReportParts): string {
  const cells = answers(parts).map(
    ([name, value, more]) =>
      `<div><dt>${escapeXml(name)}</dt><dd>${escapeXml(value)}<small>${escapeXml(more)}</small></dd></div>`,
  );
  return `<dl class="facts">${cells.join('')}</dl>`;
}
