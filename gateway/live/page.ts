import { THEME_STYLE } from '../../report/draw/theme';
import { program } from './page/program';

const STYLE = `${THEME_STYLE}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 28px 24px 64px; }
h1 { font-size: 24px; margin: 0 0 4px; }
h2 { font-size: 18px; margin: 36px 0 8px; overflow-wrap: anywhere; }
h3 { font-size: 14px; margin: 20px 0 4px; color: var(--quiet); }
p { margin: 0 0 12px; }
.quiet { color: var(--quiet); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 7px 16px 7px 0; border-bottom: 1px solid var(--line); vertical-align: middle; white-space: nowrap; }
th { color: var(--quiet); font-weight: 600; font-size: 13px; }
tr[aria-selected=true] td { background: var(--panel); }
button, input { font: inherit; color: var(--ink); background: var(--paper); border: 1px solid var(--quiet); border-radius: 6px; padding: 3px 10px; min-height: 30px; }
button { cursor: pointer; }
button.plain { border: 0; background: none; padding: 0 2px; color: var(--blue); text-decoration: underline; text-underline-offset: 2px; font-family: ui-monospace, monospace; font-size: 13px; }
:focus-visible { outline: 2px solid var(--blue); outline-offset: 2px; }
a { color: var(--blue); text-underline-offset: 2px; }
progress { width: 130px; height: 10px; accent-color: var(--blue); vertical-align: middle; margin-right: 8px; }
.state { display: inline-block; min-width: 92px; font-weight: 600; }
.state.failed, .state.cancelled { color: var(--tuned); }
.state.succeeded { color: var(--green); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 18px; margin: 0; }
dt { color: var(--quiet); }
dd { margin: 0; overflow-wrap: anywhere; }
ul { margin: 0; padding-left: 18px; columns: 2 300px; }
svg { display: block; max-width: 100%; height: auto; }
.error { color: var(--tuned); }
[hidden] { display: none !important; }
@media (max-width: 600px) { main { padding: 20px 14px 48px; } }
`;

/** Returns the page for one response. Its policy allows only code with this `nonce`. */
export const page = (nonce: string) => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>hifi jobs</title>
<link rel="icon" href="data:,">
<style nonce="${nonce}">${STYLE}</style>
</head>
<body>
<main>
<h1>hifi jobs</h1>
<p class="quiet" id="summary"></p>
<p id="away" class="error" hidden>The gateway is away; waiting for it.</p>
<p id="notice" class="quiet" role="status"></p>
<section id="login" hidden aria-label="Token">
<form id="loginForm"><p><label>The gateway's token <input id="token" type="password" autocomplete="off"></label> <button>Enter</button></p></form>
<p id="wrong" class="error" hidden>That is not the token.</p>
</section>
<section id="jobs" hidden aria-label="Jobs">
<div class="scroll" tabindex="0" role="region" aria-label="All jobs"><table>
<thead><tr><th scope="col">job</th><th scope="col">state</th><th scope="col">created</th><th scope="col">model</th><th scope="col">progress</th><th scope="col">result</th></tr></thead>
<tbody id="rows"></tbody>
</table></div>
<p id="none" class="quiet" hidden>No jobs yet.</p>
</section>
<section id="deltas" hidden aria-labelledby="deltasTitle">
<h2 id="deltasTitle">Registered deltas</h2>
<div class="scroll" tabindex="0" role="region" aria-label="Versions of deltas"><table>
<thead><tr><th scope="col">name</th><th scope="col">version</th><th scope="col">aliases</th><th scope="col">metric</th><th scope="col">base</th><th scope="col">registered</th></tr></thead>
<tbody id="deltaRows"></tbody>
</table></div>
</section>
<section id="detail" hidden aria-labelledby="title">
<h2 id="title"></h2>
<dl id="facts"></dl>
<p></p>
<button id="cancel" hidden>Cancel the job</button>
<div id="loss" hidden>
<h3 id="lossTitle"></h3>
<svg viewBox="0 0 640 150" width="640" height="150" role="img" aria-labelledby="lossTitle">
<polyline id="curve" fill="none" stroke="var(--blue)" stroke-width="1.5" points=""/>
<text id="most" x="0" y="14" font-size="11" fill="var(--quiet)"></text>
<text id="least" x="0" y="140" font-size="11" fill="var(--quiet)"></text>
</svg>
</div>
<div id="epochs" hidden class="scroll" tabindex="0" role="region" aria-label="Epochs">
<h3>Epochs</h3>
<table><thead><tr id="epochNames"></tr></thead><tbody id="epochRows"></tbody></table>
</div>
<h3 id="filesTitle" hidden>Files</h3>
<ul id="files"></ul>
</section>
</main>
<script nonce="${nonce}">(${program})()</script>
</body>
</html>
`;
