import { CHART_STYLE, THEME_STYLE } from './draw/theme';

/** Style of a report: system fonts, one column, two themes, plain black on white in print. */
export const STYLE = `${THEME_STYLE}
* { box-sizing: border-box; }
html { scroll-behavior: smooth; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.55 system-ui, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 36px 24px 72px; }
h1 { font-size: 28px; line-height: 1.2; letter-spacing: -.01em; margin: 0 0 6px; overflow-wrap: anywhere; }
h2 { font-size: 19px; line-height: 1.3; margin: 44px 0 10px; padding-top: 18px; border-top: 1px solid var(--line); }
h3 { font-size: 15px; margin: 22px 0 6px; }
p { margin: 0 0 10px; max-width: 76ch; }
a { color: var(--blue); text-underline-offset: 2px; }
.lead, figcaption, .note { color: var(--quiet); }
.note { font-size: 13.5px; }
nav ul { display: flex; flex-wrap: wrap; gap: 4px 18px; list-style: none; padding: 0; margin: 14px 0 0; font-size: 14px; }
figure { margin: 0; min-width: 0; }
figcaption { font-size: 13px; line-height: 1.45; margin-top: 4px; max-width: 64ch; }
#convergence { margin: 14px 0 20px; }
svg { display: block; max-width: 100%; height: auto; }
:focus-visible { outline: 2px solid var(--blue); outline-offset: 2px; }
${CHART_STYLE}
.facts { display: flex; flex-wrap: wrap; gap: 1px; margin: 24px 0 0; padding: 1px; background: var(--line); border-radius: 8px; overflow: hidden; }
.facts div { flex: 1 1 130px; background: var(--panel); padding: 12px 14px; }
.facts dt { font-size: 12.5px; color: var(--quiet); }
.facts dd { margin: 2px 0 0; font-size: 18px; font-weight: 600; font-variant-numeric: tabular-nums; line-height: 1.25; }
.facts dd small { display: block; font-size: 12.5px; font-weight: 400; color: var(--quiet); }
.maps, .pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 440px), 1fr)); gap: 26px 32px; margin: 18px 0; align-items: start; }
.maps.broad { grid-template-columns: 1fr; }
.chart .cell, .chart .node { cursor: pointer; outline: none; }
.chart .cell:focus-visible rect, .chart .node:focus-visible circle, .chart .cell.near rect, .chart .node.near circle { stroke: var(--ink); stroke-width: 2.5; }
.chart .cell.shown { outline: 2px solid var(--ink); outline-offset: 1px; }
.chart .node.shown circle { fill: var(--ink); }
.chart .node.shown text { fill: var(--paper); }
.chart .thin.near { opacity: 1; stroke-width: 2.5; stroke: var(--tuned); }
.chart .edge:hover { stroke: var(--tuned); opacity: 1; }
.lit .edge { opacity: .04; }
.lit .edge.of { opacity: 1; stroke: var(--tuned); }
.chart [data-at] { outline: none; }
.chart circle[data-at]:focus-visible, .chart circle.near, .chart .part.near, .chart .at.near { stroke: var(--ink); stroke-width: 2.5; }
.chart text.near { font-weight: 600; }
.chart .curve.near { stroke-width: 4; }
.multiples { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 230px), 1fr)); gap: 22px 28px; margin: 16px 0; align-items: end; }
.multiples figure { display: flex; flex-direction: column-reverse; align-items: flex-start; }
.panel { background: var(--panel); border: 1px solid var(--line); border-radius: 8px; padding: 16px 18px; margin: 18px 0; }
.panel h3 { margin-top: 0; }
.panel .sides { display: grid; grid-template-columns: minmax(0, 540px) minmax(0, 1fr); gap: 20px 40px; align-items: start; }
.lists { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 16px 32px; }
.lists h3 { margin: 0 0 6px; font-size: 13.5px; }
.short { display: grid; grid-template-columns: auto 1fr; gap: 1px 14px; margin: 0 0 12px; font-size: 13.5px; font-variant-numeric: tabular-nums; }
.short dt { color: var(--quiet); }
.short dd { margin: 0; text-align: right; }
form { display: flex; flex-wrap: wrap; gap: 10px 22px; align-items: center; margin: 14px 0; }
fieldset { display: flex; gap: 4px 14px; border: 0; padding: 0; margin: 0; }
legend { float: left; margin-right: 14px; padding: 0; color: var(--quiet); }
label { display: inline-flex; gap: 6px; align-items: center; }
select, button { font: inherit; font-size: 14px; color: var(--ink); background: var(--paper); border: 1px solid var(--quiet); border-radius: 6px; padding: 3px 9px; min-height: 28px; }
button { cursor: pointer; }
button:hover { background: var(--panel); }
input { accent-color: var(--blue); }
.beside { display: grid; grid-template-columns: minmax(0, max-content) 210px; gap: 24px 56px; align-items: start; }
table { border-collapse: collapse; margin: 10px 0; font-variant-numeric: tabular-nums; font-size: 14px; }
caption { text-align: left; font-size: 13px; color: var(--quiet); padding-bottom: 4px; }
th, td { text-align: start; vertical-align: top; padding: 5px 20px 5px 0; border-bottom: 1px solid var(--line); }
th { font-weight: 600; white-space: nowrap; }
thead th { color: var(--quiet); font-weight: 500; }
td { overflow-wrap: break-word; }
#repeat ~ .wide td { overflow-wrap: anywhere; }
.number { text-align: right; }
.wide th, .wide td { padding-right: 14px; }
td.number { white-space: nowrap; }
.rows .text { min-width: 180px; max-width: 60ch; overflow-wrap: anywhere; }
mark { background: none; color: inherit; font-weight: 600; text-decoration: underline; text-decoration-color: var(--tuned); text-decoration-thickness: 2px; }
td small { color: var(--quiet); white-space: nowrap; }
.wide { overflow-x: auto; }
.code { position: relative; }
.code button { position: absolute; top: 7px; right: 7px; }
pre { margin: 6px 0 0; padding: 12px 84px 12px 14px; background: var(--panel); border: 1px solid var(--line); border-radius: 8px; overflow-x: auto; font: 13px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
summary { cursor: pointer; }
details dl { margin: 8px 0; }
details dt { font-weight: 600; }
details dd { margin: 0 0 8px; max-width: 80ch; }
#tip { position: fixed; top: 0; left: 0; z-index: 2; max-width: min(340px, 92vw); padding: 6px 10px; border-radius: 6px; background: var(--ink); color: var(--paper); font-size: 13px; line-height: 1.4; pointer-events: none; }
#tip[hidden] { display: none; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@media (max-width: 640px) {
  main { padding: 22px 16px 48px; }
  h1 { font-size: 23px; }
  .panel .sides, .beside { grid-template-columns: minmax(0, 1fr); }
  .facts div { flex-basis: 40%; }
  .chart { font-size: 13px; }
  .wide th, .wide td { padding-right: 10px; }
  .chart.intervals, .chart.scatter { font-size: 15px; }
  .chart.map:not(.roomy) .cell text { display: none; }
  .wide .chart.map { max-width: none; font-size: 11px; }
  .wide .chart.map .cell text { display: inline; }
  th { white-space: normal; }
}
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
@media (forced-colors: active) { .chart { forced-color-adjust: none; background: var(--paper); } }
@media print {
  @page { margin: 14mm; }
  body { font-size: 10.5pt; }
  main { padding: 0; max-width: none; }
  nav, form, .code button, #tip, .screen { display: none; }
  .facts dd { font-size: 14px; }
  .facts dd small, .facts dt { font-size: 11px; }
  summary { break-after: avoid; }
  .maps, .pair { grid-template-columns: 1fr 1fr; gap: 14px 20px; }
  .panel .sides { grid-template-columns: minmax(0, 1fr) 150px; }
  .chart.bars { font-size: 14px; }
  figure, tr, .panel, .code, .facts div { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
  h2 { margin-top: 26px; }
  pre { white-space: pre-wrap; overflow-wrap: anywhere; padding-right: 14px; }
  .wide { overflow: visible; }
  table { font-size: 9pt; }
  th, td { padding-right: 10px; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
`;
