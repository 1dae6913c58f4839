import * as crypto from 'node:crypto';
import { escapeXml } from './draw/theme';
import type { Section } from './html';
import { STYLE } from './style';

/** What a page is made of. */
export interface HtmlPage {
  title: string;
  /** What it is about, in a sentence. */
  lead: string;
  /** The first questions of a reader: what, its number, and what is behind it. */
  answers: readonly (readonly [what: string, value: string, more: string])[];
  sections: readonly Section[];
  /** What the script draws from. */
  data?: object;
  /** The only script that a browser may run there. */
  script: string;
}

/** A page that needs nothing besides itself and asks no one for anything: light or dark as its reader likes, fit to print. */
export function htmlPage({ title, lead, answers, sections, data, script }: HtmlPage): string {
  const hash = crypto.createHash('sha256').update(script).digest('base64');
  const policy = `default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'`;
  const contents = sections.map(({ id, name }) => `<li><a href="#${id}">${name}</a></li>`).join('');
  const body = sections.map(
    ({ id, name, html }) => `<section aria-labelledby="${id}">\n<h2 id="${id}">${name}</h2>\n${html}\n</section>`,
  );
  const facts = answers.map(
    ([name, value, more]) =>
      `<div><dt>${escapeXml(name)}</dt><dd>${escapeXml(value)}<small>${escapeXml(more)}</small></dd></div>`,
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>HiFi heads: ${escapeXml(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<header>
<h1>${escapeXml(title)}</h1>
<p class="lead">${escapeXml(lead)}</p>
<nav aria-label="Contents"><ul>${contents}</ul></nav>
<dl class="facts">${facts.join('')}</dl>
</header>
${body.join('\n')}
<p id="told" class="unseen" role="status"></p>
</main>
<script type="application/json" id="data">${JSON.stringify(data ?? {}).replaceAll('<', '\\u003c')}</script>
<script>${script}</script>
</body>
</html>
`;
}
