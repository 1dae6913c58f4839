/** The report's looks: system fonts, one column, two themes, and plain black on white in print. */
export const STYLE = `
:root { --paper: #ffffff; --ink: #1b1f24; --quiet: #57606a; --line: #d8dee4; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #0f1418; --ink: #e6edf3; --quiet: #9aa4ae; --line: #30363d; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1000px; margin: 0 auto; padding: 32px 20px 64px; }
h1 { font-size: 26px; line-height: 1.25; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 18px; margin: 36px 0 8px; padding-top: 14px; border-top: 1px solid var(--line); }
p { margin: 0 0 10px; }
.lead, figcaption { color: var(--quiet); }
figure { margin: 12px 0 24px; }
figcaption { font-size: 13px; margin-top: 4px; }
svg { display: block; }
table { border-collapse: collapse; margin: 10px 0; font-variant-numeric: tabular-nums; font-size: 14px; }
th, td { text-align: left; vertical-align: top; padding: 4px 18px 4px 0; border-bottom: 1px solid var(--line); }
th { font-weight: 600; white-space: nowrap; }
thead th { color: var(--quiet); font-weight: 500; }
td { overflow-wrap: anywhere; }
td.number { text-align: right; overflow-wrap: normal; }
.wide { overflow-x: auto; }
.legend { font-size: 13px; color: var(--quiet); }
.legend span { display: inline-block; width: 14px; height: 14px; border: 3px solid #e6550d; vertical-align: -2px; }
@media print {
  :root { --paper: #ffffff; --ink: #000000; --quiet: #444444; --line: #bbbbbb; }
  main { padding: 0; max-width: none; }
  figure, tr { break-inside: avoid; }
  h2 { break-after: avoid; }
  svg { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
`;
