import * as path from 'node:path';
import { writeWhole } from '../gateway/whole-file';
import { figures, type ReportParts, renderReport } from './report';

/**
 * Writes report.html and, in `report/`, what it draws: each chart as SVG, the numbers behind them as CSV and JSON.
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
  return files.map(([name]) => name);
}

/** One line a head. */
function headsCsv({ heads: report, mask }: ReportParts): string {
  const tuned = new Set(mask?.heads.map(({ layer, head }) => `${layer}.${head}`));
  const lines = ['layer,head,richness,richness_stderr,pagerank,activation,head_norm,tuned'];
  for (const [layer, row] of report.richness.entries()) {
    for (const [head, richness] of row.entries()) {
      const of = (values: readonly (readonly (number | null)[])[]) => values[layer][head] ?? '';
      const numbers = [of(report.richnessStderr), of(report.pagerank), of(report.activation), of(report.headNorms)];
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
  const { model, data, options, samples, richness, richnessStderr, pagerank, activation, headNorms, rankCorrelations } =
    report;
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
    rankCorrelations,
    tuned: mask?.heads ?? null,
    epochs: metrics?.epochs ?? null,
  };
}
