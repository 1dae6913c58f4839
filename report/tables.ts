import type { Mask } from '../heads/mask';
import type { HeadReport } from '../heads/report';
import { byScore } from '../heads/select';
import type { TrainMetrics, TrainOptions } from '../trainer/options';
import { escapeXml } from './charts';

/** A value of a table: texts are escaped, numbers stand to the right. */
type Cell = string | number;

/** An HTML table; without `head` its first column names the rows. */
function htmlTable(rows: readonly (readonly Cell[])[], head?: readonly string[]): string {
  const numeric = (cell: Cell) => typeof cell === 'number' || /^[−-]?[\d,.]+(e[+-]?\d+)?$/.test(cell);
  const cells = (row: readonly Cell[]) =>
    row.map((cell, i) => {
      const text = escapeXml(String(cell));
      if (!head && i === 0) return `<th scope="row">${text}</th>`;
      return head && numeric(cell) ? `<td class="number">${text}</td>` : `<td>${text}</td>`;
    });
  const top = head
    ? `<thead><tr>${head.map((name) => `<th scope="col">${escapeXml(name)}</th>`).join('')}</tr></thead>`
    : '';
  return `<table>${top}<tbody>${rows.map((row) => `<tr>${cells(row).join('')}</tr>`).join('')}</tbody></table>`;
}

/** What was measured, on what. */
export function factsTable({ model, data, samples, deviceUsed, elapsedSeconds }: HeadReport): string {
  return htmlTable([
    ['model', `${model.name} (${model.architecture})`],
    [
      'size',
      `${model.layers} layers of ${model.heads} heads of ${model.headDim}, ${grouped(model.parameters)} parameters`,
    ],
    ['data', `${data.path}, ${grouped(data.rows)} rows`],
    ['measured', `${grouped(samples)} sequences in ${elapsedSeconds.toFixed(1)} s on ${deviceUsed.toUpperCase()}`],
  ]);
}

/** How many heads of a layer are listed. */
const TOP = 5;

/** Each layer's best heads by PageRank, and what PageRank goes along with. */
export function layersTable({ pagerank, richness, rankCorrelations, stability }: HeadReport, mask?: Mask): string {
  const listed = Math.min(TOP, pagerank[0].length);
  const rows = pagerank.map((scores, layer): Cell[] => {
    const best = byScore(scores).slice(0, listed);
    const chosen = mask?.heads.filter((head) => head.layer === layer).map(({ head }) => head);
    const { richness: withRichness, correlationSum } = rankCorrelations[layer];
    return [
      String(layer),
      // One cell a head, in which nothing breaks.
      ...best.map((head) => {
        const numbers = [scores[head].toPrecision(3), richness[layer][head].toFixed(1)];
        if (stability) numbers.push(percent(stability[layer][head]));
        return `${head} (${numbers.join(', ')})`.replaceAll(' ', '\u00a0');
      }),
      ...(chosen ? [chosen.join(', ') || '–'] : []),
      withRichness.toFixed(2),
      correlationSum.toFixed(2),
    ];
  });
  const places = Array.from({ length: listed }, (_, i) => (i === 0 ? 'best head' : `${i + 1}.`));
  return htmlTable(rows, ['layer', ...places, ...(mask ? ['tuned'] : []), 'ρ richness', 'ρ Σ correlation']);
}

/** The epochs of a training; the best one is marked. */
export function epochsTable({ epochs, best, metric }: TrainMetrics): string {
  const names = Object.keys(epochs[0]?.dev ?? {});
  const rows = epochs.map(({ epoch, trainLoss, dev, seconds }): Cell[] => [
    `${epoch}${epoch === best.epoch ? ' (best)' : ''}`,
    trainLoss.toFixed(4),
    ...names.map((name) => dev[name].toFixed(4)),
    seconds.toFixed(1),
  ]);
  const head = [
    'epoch',
    'training loss',
    ...names.map((name) => `dev ${name}${name === metric ? ' ★' : ''}`),
    'seconds',
  ];
  return htmlTable(rows, head);
}

/** What was tuned, how much of the model that is and what it cost. */
export function tuningTable(mask: Mask, metrics?: TrainMetrics): string {
  const share = `${(100 * mask.share).toFixed(2)} %`;
  const rows: Cell[][] = [
    ['strategy', `${mask.strategy}, ${sizeOf(mask)}, ${mask.tune}`],
    ['tuned heads', `${mask.heads.length}`],
    ['tuned parameters', `${grouped(mask.trainableParameters)} of ${grouped(mask.totalParameters)} (${share})`],
  ];
  if (metrics) {
    rows.push(
      ['task head', `${grouped(metrics.taskHeadParameters)} parameters`],
      ['best epoch', `${metrics.best.epoch}: dev ${metrics.metric} ${metrics.best.value.toFixed(4)}`],
      ['most memory', `${(metrics.peakRssBytes / 1e6).toFixed(0)} MB on ${metrics.deviceUsed.toUpperCase()}`],
    );
    if (metrics.resumedFromStep !== null) rows.push(['resumed', `from step ${metrics.resumedFromStep}`]);
  }
  return htmlTable(rows);
}

/** Hashes and options: all that a repetition needs. */
export function repeatTable(
  { model, data, options, iterations }: HeadReport,
  mask?: Mask,
  training?: TrainOptions,
): string {
  const settings = (values: object) =>
    Object.entries(values)
      .map(([name, value]) => `${name} ${value}`)
      .join(', ');
  const rows: Cell[][] = [
    ['model SHA-256', model.sha256],
    ['data SHA-256', data.sha256],
    ['analysis', settings(options)],
    ['PageRank', `${iterations} rounds`],
  ];
  if (mask) {
    const { strategy, k, budget, tune } = mask;
    rows.push(['selection', settings({ strategy, ...(budget === undefined ? { k } : { budget }), tune })]);
  }
  if (training) rows.push(['training', settings(training)]);
  return htmlTable(rows);
}

const sizeOf = ({ k, budget }: Mask) => (budget === undefined ? `k = ${k}` : `budget ${percent(budget, 2)}`);

/** `97 %`. */
const percent = (share: number, digits = 0) => `${(100 * share).toFixed(digits)} %`;

const grouped = (value: number) => value.toLocaleString('en-US');
