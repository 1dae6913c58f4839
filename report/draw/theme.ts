/** Blues from light to dark: ColorBrewer's "Blues", 9 classes, for print and all colour vision. */
const BLUES = ['#f7fbff', '#deebf7', '#c6dbef', '#9ecae1', '#6baed6', '#4292c6', '#2171b5', '#08519c', '#08306b'];
/** Blues for a dark page, on which larger values are lighter. */
const BLUES_ON_DARK = [
  '#15202c',
  '#17304a',
  '#1a4268',
  '#1f5587',
  '#2a6aa6',
  '#5393cb',
  '#7fb0dc',
  '#abcdea',
  '#d9e9f6',
];
/** Shades from which on the text of a cell has the other ink. */
const FIRST_DARK = 6;
const FIRST_LIGHT = 5;

type Theme = Record<string, string>;

const shades = (colours: readonly string[], texts: readonly [from: number, low: string, high: string]): Theme =>
  Object.fromEntries(
    colours.flatMap((colour, i) => [
      [`q${i}`, colour],
      [`t${i}`, i < texts[0] ? texts[1] : texts[2]],
    ]),
  );

/** Colours by name. Text has a contrast of at least 4.5 to its background, lines one of 3. */
const LIGHT: Theme = {
  paper: '#ffffff',
  panel: '#f6f8fa',
  ink: '#1b1f24',
  quiet: '#57606a',
  line: '#d8dee4',
  blue: '#2171b5',
  tuned: '#d1480a',
  green: '#1a7f37',
  violet: '#6a51a3',
  faint: '#b8cfe5',
  ...shades(BLUES, [FIRST_DARK, '#101820', '#ffffff']),
};

const DARK: Theme = {
  paper: '#0f1418',
  panel: '#171d23',
  ink: '#e6edf3',
  quiet: '#9aa4ae',
  line: '#30363d',
  blue: '#6cb0ea',
  tuned: '#ff8a4c',
  green: '#56d364',
  violet: '#b9a5e8',
  faint: '#2d4a66',
  ...shades(BLUES_ON_DARK, [FIRST_LIGHT, '#eef4fa', '#0b1016']),
};

const variables = (theme: Theme) =>
  Object.entries(theme)
    .map(([name, colour]) => `--${name}:${colour}`)
    .join(';');

/** Colours as CSS variables: light or dark by the reader's preference, light in print. */
export const THEME_STYLE = `:root{${variables(LIGHT)}}
@media screen and (prefers-color-scheme:dark){:root{${variables(DARK)}}}
`;

/** Look of the charts. They have classes only, so they follow the page's theme. */
export const CHART_STYLE = `
.chart{font:11px system-ui,sans-serif}
.chart text{fill:var(--ink)}
.chart .quiet{fill:var(--quiet)}
.chart .middle{text-anchor:middle}
.chart .end{text-anchor:end}
.chart .axis{stroke:var(--quiet);fill:none}
.chart .rule{stroke:var(--line);fill:none}
.chart .dashed{stroke:var(--quiet);stroke-dasharray:4 3;fill:none}
.chart .blue{stroke:var(--blue)}
.chart .tuned{stroke:var(--tuned)}
.chart .green{stroke:var(--green)}
.chart .violet{stroke:var(--violet)}
.chart .curve{fill:none;stroke-width:2;stroke-linejoin:round}
.chart .thin{stroke-width:1.25;opacity:.75}
.chart circle.blue,.chart .bar{fill:var(--blue)}
.chart circle.tuned{fill:var(--tuned)}
.chart circle.green{fill:var(--green)}
.chart circle.violet{fill:var(--violet)}
.chart circle.dot{fill:var(--paper);stroke-width:1.5}
.chart .at.blue,.chart .part.blue{fill:var(--blue)}
.chart .at.tuned{fill:var(--tuned)}
.chart .part.green{fill:var(--green)}
.chart .part.violet{fill:var(--violet)}
.chart .at,.chart .part{stroke:none}
.chart .none rect{fill:none;stroke:var(--line)}
.chart .tail{fill:var(--faint)}
.chart .edge{stroke:var(--blue);fill:none}
.chart .node circle{fill:var(--panel);stroke:var(--quiet);stroke-width:1.5}
.chart .node.chosen circle{stroke:var(--tuned);stroke-width:3}
.chart .chosen rect{stroke:var(--tuned);stroke-width:3}
.chart .chosen text{font-weight:600}
.chart.tight .cell text{font-size:10px;font-weight:400}
.chart .key{fill:none;stroke:var(--tuned);stroke-width:3}
.chart .yes rect{fill:var(--tuned)}
.chart .no rect{fill:var(--line)}
${BLUES.map((_, i) => `.chart .q${i} rect,.chart rect.q${i}{fill:var(--q${i})}.chart .q${i} text{fill:var(--t${i})}`).join('\n')}
`;

/**
 * Turns a chart of the page into a file: light, with its colours written out and a background.
 * Programs other than browsers know no CSS variables.
 */
export function svgFile(svg: string): string {
  const style = CHART_STYLE.replaceAll(/var\(--(\w+)\)/g, (_, name) => LIGHT[name]);
  return `${svg.replace(/>/, `><style>${style}</style><rect width="100%" height="100%" fill="${LIGHT.paper}"/>`)}\n`;
}

/** Escapes text for XML or HTML content and attributes. */
export const escapeXml = (text: string) =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
