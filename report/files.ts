import * as fs from 'node:fs';
import * as path from 'node:path';
import { writeWhole } from '../gateway/whole-file';
import { figures, type ReportParts, renderReport } from './report';

/** All that may be in `report/`. */
export const REPORT_FILES = [
  'richness.svg',
  'pagerank.svg',
  'metrics.svg',
  'heads.csv',
  'epochs.csv',
  'report.json',
] as const;

/**
 * Writes report.html and, in `report/`, what it draws: each chart as SVG, the numbers behind them as CSV and JSON. Files of an
 * earlier report that this one has not are removed.
 *
 * @returns the files' names, from `folder`
 */
export function writeReport(folder: string, parts: ReportParts): string[] {
  const files: [name: string, text: string][] = [
    ['report.html', renderReport(parts)],
    ...figures(parts).map(({ name, svg }) => [`report/${name}.svg`, `${svg}\n`] as [string, string]),
    ['report/heads.csv', headsCsv(parts)],
    ['report/report.json', `${JSON.stringify(drawn(parts))}\n`],
  ];
  if (parts.metrics) files.push(['report/epochs.csv', epochsCsv(parts.metrics)]);
  for (const [name, text] of files) writeWhole(path.join(folder, name), text);
  const names = files.map(([name]) => name);
  for (const name of REPORT_FILES.map((part) => `report/${part}`)) {
    if (!names.includes(name)) fs.rmSync(path.join(folder, name), { force: true });
  }
  return names;
}

/** One line a head. */
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

/** One line an epoch. */
function epochsCsv({ epochs }: NonNullable<ReportParts['metrics']>): string {
  const names = Object.keys(epochs[0]?.dev ?? {});
  const lines = [['epoch', 'train_loss', ...names.map((name) => `dev_${name}`), 'seconds'].join(',')];
  for (const { epoch, trainLoss, dev, seconds } of epochs) {
    lines.push([epoch, trainLoss, ...names.map((name) => dev[name]), seconds].join(','));
  }
  return `${lines.join('\n')}\n`;
}

/** The numbers of the charts, without the correlations and spectra that heads.json has. */
function drawn({ heads: report, mask, metrics }: ReportParts): object {
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
    epochs: metrics?.epochs ?? null,
  };
}
