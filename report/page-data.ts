import type { CorrelationKind, HeadReport } from '../heads/head-report';
import { type Pair, pairsOfLayer, strongestPairs } from './correlated-pairs';
import { firstHead, headTips } from './figures';
import type { ReportParts } from './parts';

/** Numbers that the page's script draws. */
export interface PageData {
  layers: number;
  heads: number;
  xi: number;
  kind: CorrelationKind;
  /** Head shown first. */
  head: [layer: number, head: number];
  /** Text per head, [L·H]. */
  tips: string[];
  pagerank: number[];
  richness: number[];
  /** Numbers of the tuned heads. */
  chosen: number[];
  /** Singular values per head, [L·H][m]. */
  spectrum: number[][];
  /** Richness per ξ, [L·H]. */
  richnessByXi: [xi: string, richness: number[]][];
  /** Pairs of each layer in the order of `pairsOfLayer`, and the strongest of the model. */
  correlation: Record<CorrelationKind, { layers: number[][]; model: Pair[] }>;
}

/** Numbers of the page, with the digits that it shows; heads.json has all digits. */
export function pageData(parts: ReportParts): PageData {
  const { heads: report, mask } = parts;
  const { layers, heads } = report.model;
  return {
    layers,
    heads,
    xi: report.options.xi ?? 0.9,
    kind: report.options.correlation,
    head: firstHead(parts),
    tips: headTips(parts),
    pagerank: report.pagerank.flat().map(digits(5)),
    richness: report.richness.flat().map(digits(5)),
    chosen: (mask?.heads ?? []).map(({ layer, head }) => layer * heads + head),
    spectrum: report.spectrum.flat().map((shares) => shares.map(digits(4))),
    richnessByXi: Object.entries(report.richnessByXi).map(([xi, values]) => [xi, values.flat().map(digits(4))]),
    correlation: { pearson: pairs(report, 'pearson'), covariance: pairs(report, 'covariance') },
  };
}

function pairs(report: HeadReport, kind: CorrelationKind): PageData['correlation'][CorrelationKind] {
  const short = digits(4);
  return {
    layers: report.richness.map((_, layer) => pairsOfLayer(report, kind, layer).map(([, , r]) => short(r))),
    model: strongestPairs(report, kind).map(([a, b, r]) => [a, b, short(r)]),
  };
}

/** Rounds to significant digits. */
const digits = (count: number) => (value: number) => Number(value.toPrecision(count));
