import type { Mask } from '../heads/mask';
import type { HeadReport, PerHead } from '../heads/report';
import type { TrainMetrics, TrainOptions } from '../trainer/options';
import { escapeXml, headMapSvg, metricLinesSvg } from './charts';
import { STYLE } from './style';
import { epochsTable, factsTable, layersTable, repeatTable, tuningTable } from './tables';
import { rankingInWords, stabilityInWords } from './words';

/** What there is to tell: an analysis, and of a whole run the heads chosen and the training. */
export interface ReportParts {
  heads: HeadReport;
  mask?: Mask;
  metrics?: TrainMetrics;
  /** How it was trained. */
  training?: TrainOptions;
}

/** A chart of the report, as a file of its own too. */
export interface Figure {
  /** The file's name without its ending. */
  name: string;
  caption: string;
  svg: string;
}

/** The charts, in the order of the page. */
export function figures({ heads: report, mask, metrics }: ReportParts): Figure[] {
  const chosen = mask?.heads ?? [];
  const map = (name: string, title: string, caption: string, values: PerHead, digits: number): Figure => {
    const tip = (layer: number, head: number) => headTip(report, layer, head, chosen);
    const text = (value: number) => value.toFixed(digits);
    return { name, caption, svg: headMapSvg({ title, values, text, tip, chosen }) };
  };
  const xi = report.options.xi ?? 0.9;
  const drawn = [
    map(
      'richness',
      'Information richness of each head',
      `Information richness: singular values that make up ${Math.round(100 * xi)} % of a head's output, mean over the sequences.`,
      report.richness,
      1,
    ),
    map(
      'pagerank',
      'PageRank of each head',
      `PageRank over the heads' correlation: what ${mask?.strategy.startsWith('hifi') === false ? 'hifi would choose' : 'hifi chooses'} by.`,
      report.pagerank,
      report.options.scope === 'model' ? 4 : 3, // there they sum to 1 over all layers
    ),
  ];
  if (metrics && metrics.epochs.length > 0) drawn.push(metricFigure(metrics));
  return drawn;
}

function metricFigure({ epochs, metric }: TrainMetrics): Figure {
  const names = Object.keys(epochs[0].dev).filter((name) => name !== 'loss');
  const first = names.includes(metric) ? [metric, ...names.filter((name) => name !== metric)] : names;
  return {
    name: 'metrics',
    caption: 'Metrics on the dev rows after each epoch.',
    svg: metricLinesSvg({
      title: 'Dev metrics of each epoch',
      epochs: epochs.map(({ epoch }) => epoch),
      lines: first.slice(0, 4).map((name) => ({ name, values: epochs.map(({ dev }) => dev[name]) })),
    }),
  };
}

/** What the table of the layers shows, and what follows from it. */
function layersInWords(report: HeadReport): string {
  const share = report.stability
    ? `, PageRank, richness and the share of 200 bootstrap replicates in which it is in the top ${report.options.k}`
    : ', PageRank and richness';
  return [
    `Each layer's best heads (head${share}), and Spearman's rank correlation ρ of PageRank with the two things it is made of.`,
    rankingInWords(report),
    stabilityInWords(report) ?? '',
  ]
    .join(' ')
    .trimEnd();
}

/** All numbers of a head, in a line. */
function headTip(report: HeadReport, layer: number, head: number, chosen: Mask['heads']): string {
  const { richness, richnessStderr, pagerank, activation, headNorms, stability, options } = report;
  const error = richnessStderr[layer][head];
  const spread = error === null ? '' : ` ± ${error.toFixed(2)}`;
  const isChosen = chosen.some((one) => one.layer === layer && one.head === head);
  return [
    `layer ${layer}, head ${head}${isChosen ? ' (tuned)' : ''}: richness ${richness[layer][head].toFixed(2)}${spread}`,
    `PageRank ${pagerank[layer][head].toFixed(4)}`,
    ...(stability ? [`in the top ${options.k} of ${Math.round(100 * stability[layer][head])} % of replicates`] : []),
    `activation ${activation[layer][head].toPrecision(3)}`,
    `‖W_QKV‖ ${headNorms[layer][head].toPrecision(3)}`,
  ].join(', ');
}

/** The report: one page of HTML that needs nothing besides itself, light or dark as its reader likes, fit to print. */
export function renderReport(parts: ReportParts): string {
  const { heads, mask, metrics } = parts;
  const drawn = figures(parts);
  const figure = (name: string) => {
    const found = drawn.find((one) => one.name === name);
    return found ? `<figure>${found.svg}<figcaption>${escapeXml(found.caption)}</figcaption></figure>` : '';
  };
  const title = `${heads.model.name} on ${heads.data.path.split('/').slice(-2).join('/')}`;
  const legend = mask ? '<p class="legend"><span></span> tuned heads</p>' : '';
  const sections = [
    factsTable(heads),
    mask ? `<h2>What was tuned</h2>${tuningTable(mask, metrics)}` : '',
    metrics ? `<h2>Training</h2>${figure('metrics')}<div class="wide">${epochsTable(metrics)}</div>` : '',
    `<h2>Heads</h2>${legend}${figure('richness')}${figure('pagerank')}`,
    `<h2>Layers</h2><p>${escapeXml(layersInWords(heads))}</p><div class="wide">${layersTable(heads, mask)}</div>`,
    `<h2>To repeat this</h2><div class="wide">${repeatTable(heads, mask, parts.training)}</div>`,
  ];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>HiFi heads: ${escapeXml(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${escapeXml(title)}</h1>
<p class="lead">Attention heads by information richness and correlation (HiFi, ACL 2023). Layers and heads count from 0.</p>
${sections.filter((section) => section !== '').join('\n')}
</main>
</body>
</html>
`;
}
