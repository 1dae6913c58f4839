import * as fs from 'node:fs';
import * as path from 'node:path';
import { writeWhole } from '../foundation/whole-file';
import { convergence } from '../heads/convergence';
import type { CorrelationKind } from '../heads/head-report';
import { pairsOfLayer } from './correlated-pairs';
import { costs } from './costs';
import { svgFile } from './draw/theme';
import { ERROR_FILES, errorFiles } from './error-files';
import { FIGURE_NAMES, figures } from './figures';
import type { ReportParts } from './parts';
import { renderReport } from './render-report';

/** Possible files in `report/`. */
export const REPORT_FILES: readonly string[] = [
  ...FIGURE_NAMES.map((name) => `${name}.svg`),
  'heads.csv',
  'spectra.csv',
  'correlation.csv',
  'convergence.csv',
  'epochs.csv',
  ...ERROR_FILES,
  'report.json',
];

/**
 * Writes report.html, and to `report/` its charts as SVG and their numbers as CSV and JSON. Removes
 * files that only an earlier report had.
 *
 * @returns names of the files, from `folder`
 */
export function writeReport(folder: string, parts: ReportParts): string[] {
  const files: [name: string, text: string][] = [
    ['report.html', renderReport(parts)],
    ...figures(parts).map(({ name, svg }) => [`report/${name}.svg`, svgFile(svg)] as [string, string]),
    ['report/heads.csv', headsCsv(parts)],
    ['report/spectra.csv', spectraCsv(parts)],
    ['report/correlation.csv', correlationCsv(parts)],
    ['report/convergence.csv', convergenceCsv(parts)],
    ['report/report.json', `${JSON.stringify(drawn(parts))}\n`],
  ];
  if (parts.metrics) files.push(['report/epochs.csv', epochsCsv(parts.metrics)]);
  const errors = parts.metrics?.errorAnalysis;
  if (errors) files.push(...errorFiles(errors).map(([name, text]): [string, string] => [`report/${name}`, text]));
  for (const [name, text] of files) writeWhole(path.join(folder, name), text);
  const names = files.map(([name]) => name);
  for (const name of REPORT_FILES.map((part) => `report/${part}`)) {
    if (!names.includes(name)) fs.rmSync(path.join(folder, name), { force: true });
  }
  return names;
}

/** CSV with one line per head. */
function headsCsv({ heads: report, mask }: ReportParts): string {
  const tuned = new Set(mask?.heads.map(({ layer, head }) => `${layer}.${head}`));
  const lines = ['layer,head,richness,richness_stderr,pagerank,activation,head_norm,stability,tuned'];
  for (const [layer, row] of report.richness.entries()) {
    for (const [head, richness] of row.entries()) {
      const of = (values: readonly (readonly (number | null)[])[]) => values[layer][head] ?? '';
      const { richnessStderr, pagerank, activation, headNorms, stability } = report;
      const numbers = [richnessStderr, pagerank, activation, headNorms].map(of);
      numbers.push(stability ? of(stability) : '');
      lines.push([layer, head, richness, ...numbers, tuned.has(`${layer}.${head}`) ? 1 : 0].join(','));
    }
  }
  return `${lines.join('\n')}\n`;
}

/** CSV with one line per epoch. */
function epochsCsv({ epochs }: NonNullable<ReportParts['metrics']>): string {
  const names = Object.keys(epochs[0]?.dev ?? {});
  const lines = [['epoch', 'train_loss', ...names.map((name) => `dev_${name}`), 'seconds'].join(',')];
  for (const { epoch, trainLoss, dev, seconds } of epochs) {
    lines.push([epoch, trainLoss, ...names.map((name) => dev[name]), seconds].join(','));
  }
  return `${lines.join('\n')}\n`;
}

/** CSV with one line per singular value: its share of their sum, mean over the sequences. */
function spectraCsv({ heads: { spectrum } }: ReportParts): string {
  const lines = ['layer,head,value,share,cumulative'];
  for (const [layer, heads] of spectrum.entries()) {
    for (const [head, shares] of heads.entries()) {
      let sum = 0;
      for (const [i, share] of shares.entries()) lines.push([layer, head, i + 1, share, (sum += share)].join(','));
    }
  }
  return `${lines.join('\n')}\n`;
}

/** CSV with one line per pair of heads of a layer; heads.json has all pairs of the model. */
function correlationCsv({ heads: report }: ReportParts): string {
  const { heads, layers } = report.model;
  const of = (kind: CorrelationKind, layer: number) => pairsOfLayer(report, kind, layer);
  const lines = ['layer,head,other,pearson,covariance'];
  for (let layer = 0; layer < layers; layer++) {
    const covariance = of('covariance', layer);
    for (const [i, [a, b, r]] of of('pearson', layer).entries()) {
      lines.push([layer, a % heads, b % heads, r, covariance[i][2]].join(','));
    }
  }
  return `${lines.join('\n')}\n`;
}

/** CSV with one line per round of PageRank; in scope `model` all are of graph 0. */
function convergenceCsv({ heads: report }: ReportParts): string {
  const lines = ['graph,round,change'];
  for (const [graph, changes] of convergence(report, report.options).entries()) {
    for (const [i, change] of changes.entries()) lines.push([graph, i + 1, change].join(','));
  }
  return `${lines.join('\n')}\n`;
}

/** Numbers of the charts, without the correlations and spectra, which heads.json has. */
function drawn(parts: ReportParts): object {
  const { heads: report, mask, metrics } = parts;
  const { model, data, options, samples, richness, richnessStderr, pagerank, activation, headNorms } = report;
  const { stability, rankCorrelations } = report;
  const { sampleIds: _, ...file } = data;
  return {
    model,
    data: file,
    options,
    samples,
    richness,
    richnessStderr,
    pagerank,
    activation,
    headNorms,
    stability,
    rankCorrelations,
    tuned: mask?.heads ?? null,
    ...(mask?.neurons && { tunedNeurons: mask.neurons }),
    epochs: metrics?.epochs ?? null,
    errorAnalysis: metrics?.errorAnalysis ?? null,
    costs: costs(parts),
  };
}
