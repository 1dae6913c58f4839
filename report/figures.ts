import { percentDigits } from '../foundation/percent';
import { convergence } from '../heads/convergence';
import type { HeadReport, PerHead } from '../heads/head-report';
import { pairsOfLayer, strongestPairs } from './correlated-pairs';
import { graphChart } from './draw/graph';
import { headMap } from './draw/head-map';
import { lineChart } from './draw/line-chart';
import { spectrumChart } from './draw/spectrum';
import { errorFigures } from './error-figures';
import { headTip } from './head-tip';
import type { Figure } from './html';
import type { ReportParts } from './parts';

/** Names of all possible charts. */
export const FIGURE_NAMES = [
  'richness',
  'pagerank',
  'stability',
  'tuned',
  'spectrum',
  'correlation-layer',
  'correlation-model',
  'convergence',
  'loss',
  'metrics',
  'confusion',
  'thresholds',
  'label-thresholds',
] as const;

/** Charts of a report, in the order of the page. */
export function figures(parts: ReportParts): Figure[] {
  const { metrics } = parts;
  return [
    ...maps(parts),
    spectrumFigure(parts),
    ...graphs(parts),
    ...(parts.heads.model.heads > 1 ? [convergenceFigure(parts.heads)] : []),
    ...(metrics && metrics.epochs.length > 0 ? [lossFigure(metrics), metricFigure(metrics)] : []),
    ...(metrics?.errorAnalysis ? errorFigures(metrics.errorAnalysis) : []),
  ];
}

function maps({ heads: report, mask }: ReportParts): Figure[] {
  const chosen = mask?.heads ?? [];
  const tips = headTips({ heads: report, mask });
  const map = (
    name: Figure['name'],
    title: string,
    caption: string,
    values: PerHead,
    more: { text: (value: number) => string; scale?: [number, number]; yesNo?: boolean },
  ): Figure => {
    const tip = (layer: number, head: number) => tips[layer * report.model.heads + head];
    return { name, caption, svg: headMap({ title, values, tip, chosen, ...more }) };
  };
  const { k, scope, xi = 0.9 } = report.options;
  const ofAll = scope === 'model' ? 'the model' : 'the layer';
  const decimals = scope === 'model' ? 2 : 1; // there they sum to 1 over all layers
  const drawn = [
    map(
      'richness',
      'Information richness of each head',
      `Richness: singular values that make up ${percent(xi)} of a head's output, mean over the sequences.`,
      report.richness,
      { text: (value) => value.toFixed(1) },
    ),
    map(
      'pagerank',
      'PageRank of each head',
      `PageRank over the heads' correlation, in % of ${ofAll}: the score by which ${mask?.strategy.startsWith('hifi') === false ? 'hifi would choose' : 'hifi chooses'}.`,
      report.pagerank,
      { text: (value) => (100 * value).toFixed(decimals) },
    ),
  ];
  if (report.stability) {
    drawn.push(
      map(
        'stability',
        'Stability of each head',
        `Stability: % of 200 bootstrap replicates in which the head is in the top ${k} of its layer.`,
        report.stability,
        { text: (value) => (100 * value).toFixed(0), scale: [0, 1] },
      ),
    );
  }
  if (mask && !mask.neurons) {
    const tuned = report.richness.map((row, layer) =>
      row.map((_, head) => (chosen.some((one) => one.layer === layer && one.head === head) ? 1 : 0)),
    );
    drawn.push(
      map('tuned', 'Tuned heads', `The ${chosen.length} heads that were chosen by ${mask.strategy}.`, tuned, {
        text: () => '',
        yesNo: true,
      }),
    );
  }
  return drawn;
}

/** Texts of all heads, by head number. */
export function headTips({ heads: report, mask }: Pick<ReportParts, 'heads' | 'mask'>): string[] {
  const tuned = new Set(mask?.heads.map(({ layer, head }) => `${layer}.${head}`));
  return report.richness.flatMap((row, layer) =>
    row.map((_, head) => headTip(report, layer, head, tuned.has(`${layer}.${head}`))),
  );
}

/** Head that the page shows first: the best tuned one, or else the best of all. */
export function firstHead({ heads: { pagerank }, mask }: Pick<ReportParts, 'heads' | 'mask'>): [number, number] {
  const all = pagerank.flatMap((row, layer) => row.map((_, head) => ({ layer, head })));
  const from = mask && mask.heads.length > 0 ? mask.heads : all;
  const best = from.reduce((a, b) => (pagerank[b.layer][b.head] > pagerank[a.layer][a.head] ? b : a));
  return [best.layer, best.head];
}

function spectrumFigure(parts: ReportParts): Figure {
  const [layer, head] = firstHead(parts);
  const { spectrum, options } = parts.heads;
  return {
    name: 'spectrum',
    caption: `Singular values of head ${head} of layer ${layer}, mean over the sequences.`,
    svg: spectrumChart({
      title: `Singular values of head ${head} of layer ${layer}`,
      shares: spectrum[layer][head],
      xi: options.xi ?? 0.9,
    }),
  };
}

function graphs(parts: ReportParts): Figure[] {
  const { heads: report, mask } = parts;
  const { layers, heads } = report.model;
  if (layers * heads === 1) return [];
  const kind = report.options.correlation;
  const [layer] = firstHead(parts);
  const chosen = (mask?.heads ?? []).map((one) => one.layer * heads + one.head);
  const shared = { layers, heads, pagerank: report.pagerank.flat(), chosen, tips: headTips(parts) };
  const edges = strongestPairs(report, kind);
  const ofModel: Figure = {
    name: 'correlation-model',
    caption: `The ${edges.length} strongest correlations (${kind}) of the model.`,
    svg: graphChart({ ...shared, title: `Correlation of the model's heads, ${kind}`, layer: null, edges }),
  };
  if (heads === 1) return [ofModel];
  const ofLayer: Figure = {
    name: 'correlation-layer',
    caption: `Correlations (${kind}) of the heads of layer ${layer}.`,
    svg: graphChart({
      ...shared,
      title: `Correlation of the heads of layer ${layer}, ${kind}`,
      layer,
      edges: pairsOfLayer(report, kind, layer),
    }),
  };
  return [ofLayer, ofModel];
}

function convergenceFigure(report: HeadReport): Figure {
  const traces = convergence(report, report.options);
  const ofModel = report.options.scope === 'model';
  return {
    name: 'convergence',
    caption: `Change of PageRank per round, ‖Δp‖₁${ofModel ? '' : ', one line per layer'}. It ends below 10⁻⁹.`,
    svg: lineChart({
      title: 'Convergence of PageRank',
      x: 'round',
      logarithmic: true,
      bundle: true,
      width: 640,
      mark: { value: 1e-9, name: '10⁻⁹' },
      lines: traces.map((values, layer) => {
        const name = ofModel ? 'model' : `layer ${layer}`;
        return {
          name,
          values,
          tip: (value, round) => `${name}: ${round} rounds, change in the last ${value.toExponential(1)}`,
        };
      }),
    }),
  };
}

type Metrics = NonNullable<ReportParts['metrics']>;

function lossFigure({ epochs }: Metrics): Figure {
  const tip = (name: string) => (value: number, epoch: number) => `epoch ${epoch}: ${name} ${value.toFixed(4)}`;
  const dev = epochs.map((epoch) => epoch.dev.loss);
  return {
    name: 'loss',
    caption: 'Mean loss of each epoch.',
    svg: lineChart({
      title: 'Loss of each epoch',
      x: 'epoch',
      lines: [
        { name: 'training loss', values: epochs.map(({ trainLoss }) => trainLoss), tip: tip('training loss') },
        ...(dev.every(Number.isFinite) ? [{ name: 'dev loss', values: dev, tip: tip('dev loss') }] : []),
      ],
    }),
  };
}

function metricFigure({ epochs, metric }: Metrics): Figure {
  const names = Object.keys(epochs[0].dev).filter((name) => name !== 'loss');
  const first = names.includes(metric) ? [metric, ...names.filter((name) => name !== metric)] : names;
  return {
    name: 'metrics',
    caption: 'Metrics on the dev rows after each epoch.',
    svg: lineChart({
      title: 'Dev metrics of each epoch',
      x: 'epoch',
      lines: first.slice(0, 4).map((name) => ({
        name,
        values: epochs.map(({ dev }) => dev[name]),
        tip: (value, epoch) => `epoch ${epoch}: ${name} ${value.toFixed(4)}`,
      })),
    }),
  };
}

/** Share in percent: `97 %`. */
const percent = (share: number) => `${percentDigits(share)} %`;
