import { barChart } from '../report/draw/bars';
import { gridMap } from '../report/draw/grid-map';
import { headAxes } from '../report/draw/head-map';
import { intervalChart } from '../report/draw/intervals';
import { scatterChart } from '../report/draw/scatter';
import type { Figure } from '../report/html';
import { metricValue, secondsValue, signedValue } from '../report/value-text';
import type { KnownRuns } from './known-runs';
import { fileNameOf, type Method } from './methods';
import { costsOf, trainedAfter } from './run-costs';
import type { RunRecord } from './run-record';
import type { ComparisonResults, Estimate } from './summary';

/** Sizes of a model, from which the maps of its heads are drawn. */
export interface ModelSize {
  layers: number;
  heads: number;
}

const pair = ({ interval }: Estimate): [number, number] | null => interval && [interval.low, interval.high];

const seedsOf = ({ seeds }: ComparisonResults) => `${seeds.length} seed${seeds.length === 1 ? '' : 's'}`;

/**
 * Chart of the test metric over the trainable parameters (powers of ten), with intervals. The
 * reference is orange. results.svg is this chart.
 */
export function metricOverParameters(results: ComparisonResults): string {
  const { standings, metric, reference } = results;
  return scatterChart({
    title: `Test ${metric} over trainable parameters of ${standings.length} methods, ${seedsOf(results)}`,
    x: 'trainable parameters, task head included',
    y: `test ${metric}`,
    tip: (numbers) => `${numbers.toLocaleString('en-US')} parameters`,
    points: standings.map(({ contestant, score, trainableParameters, taskHeadParameters }) => ({
      name: contestant,
      x: trainableParameters + taskHeadParameters,
      y: score.value,
      interval: pair(score),
      marked: contestant === reference,
    })),
  });
}

/**
 * Chart of the test metric over the seconds of a result from nothing, with intervals:
 * results-seconds.svg.
 */
export function metricOverSeconds(results: ComparisonResults, runs: KnownRuns): string {
  const { standings, metric, reference } = results;
  const costs = costsOf(results, runs);
  return scatterChart({
    title: `Test ${metric} over the seconds of ${standings.length} methods, ${seedsOf(results)}`,
    x: 'seconds, choosing heads, all learning rates and training included',
    y: `test ${metric}`,
    tip: secondsValue,
    points: standings.map(({ contestant, score }, i) => ({
      name: contestant,
      x: costs[i].seconds.whole,
      y: score.value,
      interval: pair(score),
      marked: contestant === reference,
    })),
  });
}

/** Chart of each method's score with its interval and the values of all seeds. */
export function scoreFigure(results: ComparisonResults): Figure {
  const { standings, metric, reference, seeds } = results;
  const svg = intervalChart({
    title: `Test ${metric} of each method and seed`,
    x: `test ${metric}`,
    rows: standings.map(({ contestant, score, values }) => ({
      ...{ name: contestant, value: score.value, interval: pair(score), marked: contestant === reference },
      tip: `${contestant}: ${metricValue(score)}`,
      dots: values.map((value, i) => ({ value, tip: `${contestant}, seed ${seeds[i]}: ${value.toFixed(4)}` })),
    })),
  });
  const interval = seeds.length > 1 ? `, with its ${100 * results.bootstrap.level} % interval` : '';
  const caption = `A dot: one seed. A stroke: the interquartile mean over the seeds${interval}. Orange: ${reference}, the reference of all differences.`;
  return { name: 'score', caption, svg };
}

/** Chart of each method's difference to the reference, seed by seed; null for a single method. */
export function differenceFigure({ standings, metric, reference, bootstrap }: ComparisonResults): Figure | null {
  const rows = standings.flatMap(({ contestant, difference, improvement }) =>
    difference && improvement ? [{ contestant, difference, improvement }] : [],
  );
  if (rows.length === 0) return null;
  const better = `P(> ${reference})`;
  const svg = intervalChart({
    title: `Test ${metric} of each method minus that of ${reference}`,
    x: `test ${metric} − ${reference}, seed by seed`,
    notes: better,
    line: 0,
    rows: rows.map(({ contestant, difference, improvement }) => ({
      ...{ name: contestant, value: difference.value, interval: pair(difference), note: improvement.value.toFixed(2) },
      tip: `${contestant} − ${reference}: ${signedValue(difference)}; ${better} ${improvement.value.toFixed(2)}`,
    })),
  });
  const interval = rows.some((row) => row.difference.interval) ? `, with ${100 * bootstrap.level} % intervals` : '';
  const caption = `Differences to ${reference} with the same seed and rows: interquartile mean over the seeds${interval}. ${better}: the probability that a run is better than one of ${reference}.`;
  return { name: 'difference', caption, svg };
}

/** Map of dev values by method and learning rate; null for a single rate without a failure. */
export function ratesFigure({ settings, metric }: ComparisonResults, { search }: KnownRuns): Figure | null {
  const { searchSeed } = settings;
  const lrs = [...new Set([...settings.lrs, ...search.flatMap(({ lr }) => lr ?? [])])].sort((a, b) => a - b);
  if (search.length === 0 || (lrs.length < 2 && search.every(({ dev }) => dev))) return null;
  const names = [...new Set(search.map(({ contestant }) => contestant))];
  const runs = names.map((method) => lrs.map((lr) => search.find((run) => run.contestant === method && run.lr === lr)));
  const tip = (row: number, column: number) => {
    const run = runs[row][column];
    const at = `${names[row]}, learning rate ${lrs[column]}`;
    if (!run) return `${at}: not run`;
    if (!run.dev) return `${at}: failed (${run.failure ?? 'no reason recorded'})`;
    const epoch = run.dev.epoch === null ? '' : ` after epoch ${run.dev.epoch}`;
    return `${at}: dev ${metric} ${run.dev.value.toFixed(4)}${epoch}${run.test ? ', the best' : ''}`;
  };
  const svg = gridMap({
    title: `Dev ${metric} of each method with each learning rate`,
    rows: { name: 'method ↓', labels: names },
    columns: { name: 'learning rate →', labels: lrs.map(String) },
    values: runs.map((line) => line.map((run) => run?.dev?.value ?? null)),
    text: (value) => value.toFixed(4),
    tip,
    attributes: (row, column) => `data-at="${row}.${column}" data-of="${names[row]}"`,
    chosen: (row, column) => runs[row][column]?.test != null,
    key: 'best',
    cell: { width: 72, height: 24 },
    left: 136,
    labelled: true,
  });
  const caption = `Dev ${metric} of the best epoch on seed ${searchSeed}; the best learning rate of each method is used for all seeds. –: the training failed.`;
  return { name: 'rates', caption, svg };
}

/** Chart of the seconds of a run. */
export function secondsFigure(results: ComparisonResults, runs: KnownRuns): Figure {
  const costs = costsOf(results, runs);
  const parts = ['choosing heads', 'training'];
  const svg = barChart({
    title: 'Seconds of a run of each method',
    x: `seconds a run, mean over ${seedsOf(results)}`,
    parts,
    rows: costs.map((cost) => ({
      name: cost.method,
      parts: [cost.seconds.selection, cost.seconds.run],
      note: secondsValue(trainedAfter(cost)),
    })),
    tip: (row, part) => {
      const { method, seconds } = costs[row];
      return `${method}, ${parts[part]}: ${secondsValue(part === 0 ? seconds.selection : seconds.run)}`;
    },
  });
  return { name: 'seconds', caption: 'Wall time of a run, without the test.', svg };
}

/** Chart of the peak memory of a run; null if no run measured it. */
export function memoryFigure(results: ComparisonResults, runs: KnownRuns): Figure | null {
  const costs = costsOf(results, runs);
  if (costs.every(({ peakRssBytes }) => peakRssBytes === null)) return null;
  const megabytes = (bytes: number) => `${Math.round(bytes / 1e6).toLocaleString('en-US')} MB`;
  const svg = barChart({
    title: 'Peak memory of a run of each method',
    x: 'peak memory of the training process, MB',
    parts: ['memory'],
    rows: costs.map(({ method, peakRssBytes }) => ({
      name: method,
      parts: peakRssBytes === null ? null : [peakRssBytes / 1e6],
      note: peakRssBytes === null ? 'not measured' : megabytes(peakRssBytes),
    })),
    tip: (row) => `${costs[row].method}: ${megabytes(costs[row].peakRssBytes ?? 0)} at most`,
  });
  return { name: 'memory', caption: 'Maximum over the seeds.', svg };
}

/** Map for each method that tunes heads: number of seeds in which it chose each head. */
export function chosenFigures(
  { standings, seeds }: ComparisonResults,
  { counted }: KnownRuns,
  { layers, heads }: ModelSize,
): Figure[] {
  const maps = standings.map(({ contestant }) => ({ contestant, runs: runsOf(counted, contestant) }));
  return maps.flatMap(({ contestant, runs }): Figure[] => {
    const times = Array.from({ length: layers }, () => new Array<number>(heads).fill(0));
    for (const run of runs) for (const [layer, head] of run.heads) times[layer][head]++;
    const chosen = times.flat().filter((count) => count > 0).length;
    if (chosen === 0) return [];
    const always = times.flat().filter((count) => count === runs.length).length;
    const svg = gridMap({
      title: `Heads that ${contestant} chose`,
      ...headAxes(layers, heads),
      values: times,
      text: String,
      tip: (layer, head) =>
        `layer ${layer}, head ${head}: chosen by ${contestant} in ${times[layer][head]} of ${runs.length} seeds`,
      attributes: (layer, head) => `data-at="${layer}.${head}" data-of="head ${layer}.${head}"`,
      chosen: () => false,
      key: '',
      scale: [0, seeds.length],
      cell: { width: Math.max(10, Math.min(20, Math.floor(320 / heads))), height: 16 },
      left: 50,
      labelled: false,
    });
    const caption =
      runs.length > 1
        ? `${contestant}: ${always} of ${chosen} heads in every seed.`
        : `${contestant}: ${chosen} heads.`;
    return [{ name: `chosen-${fileNameOf(contestant)}`, caption, svg }];
  });
}

const runsOf = (counted: readonly RunRecord[], method: Method) => counted.filter((run) => run.contestant === method);
