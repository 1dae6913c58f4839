import * as crypto from 'node:crypto';
import { escapeXml } from './draw/theme';
import type { Section } from './html';
import { STYLE } from './style';

/** Content of a page. */
export interface HtmlPage {
  title: string;
  /** Subject of the page, in one sentence. */
  lead: string;
  /** Headline figures: name, value and explanation. */
  answers: readonly (readonly [what: string, value: string, more: string])[];
  sections: readonly Section[];
  /** Numbers that the script draws. */
  data?: object;
  /** The only script that the page's policy allows. */
  script: string;
}

/** Renders a self-contained page, light or dark by the reader's preference, ready for print. */
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
<p id="status" class="unseen" role="status"></p>
</main>
<script type="application/json" id="data">${JSON.stringify(data ?? {}).replaceAll('<', '\\u003c')}</script>
<script>${script}</script>
</body>
</html>
`;
}
