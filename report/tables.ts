import type { OnnxModel } from '../delta/onnx-folder';
import type { RateChoice, TrainMetrics, TrainOptions } from '../delta/training-options';
import { percentDigits } from '../foundation/percent';
import type { HeadReport } from '../heads/head-report';
import type { Mask } from '../heads/mask';
import { byScore } from '../heads/score-order';
import { costFormulas, costs } from './costs';
import { escapeXml } from './draw/theme';
import { type Cell, htmlTable } from './html';
import type { ReportParts } from './parts';
import { grouped, settingsText } from './sentences';

/** Number of listed heads per layer. */
const TOP = 4;

/** Table of each layer's best heads by PageRank, and its correlations with their causes. */
export function layersTable(
  { pagerank, richness, rankCorrelations, stability, options }: HeadReport,
  mask?: Mask,
): string {
  const listed = Math.min(TOP, pagerank[0].length);
  const decimals = options.scope === 'model' ? 5 : 3; // there they sum to 1 over all layers
  const rows = pagerank.map((scores, layer): Cell[] => {
    const best = byScore(scores).slice(0, listed);
    const chosen = mask && tunedIn(mask, layer);
    const { richness: withRichness, correlationSum } = rankCorrelations[layer];
    return [
      String(layer),
      // A head's cell has no line breaks.
      ...best.map((head) => {
        const numbers = [scores[head].toFixed(decimals), richness[layer][head].toFixed(1)];
        if (stability) numbers.push(percent(stability[layer][head]));
        return `${head} (${numbers.join(', ')})`.replaceAll(' ', '\u00a0');
      }),
      ...(chosen === undefined ? [] : [chosen]),
      withRichness.toFixed(2),
      correlationSum.toFixed(2),
    ];
  });
  const places = Array.from({ length: listed }, (_, i) => (i === 0 ? 'best head' : `${i + 1}.`));
  const tuned = mask ? [mask.neurons ? 'tuned neurons' : 'tuned'] : [];
  return htmlTable(rows, ['layer', ...places, ...tuned, 'ρ richness', 'ρ Σ correlation']);
}

/** Tuned heads of a layer, or the number of its tuned neurons. */
function tunedIn({ heads, neurons }: Mask, layer: number): string {
  if (neurons) return grouped(neurons.filter((neuron) => neuron.layer === layer).length);
  const chosen = heads.filter((head) => head.layer === layer).map(({ head }) => head);
  return chosen.join(', ').replaceAll(' ', chosen.length > TOP ? ' ' : '\u00a0') || '–';
}

/** Table of the steps of a range test. */
export const rangeTable = ({ tried }: RateChoice): string =>
  htmlTable([
    ['length of the step', ...tried.map(({ lr }) => String(lr))],
    ['loss after it', ...tried.map(({ loss }) => (loss === null ? '–' : loss.toFixed(4)))],
  ]);

/** Table of the epochs of a training, with the best one marked. */
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

/** Table of an ONNX folder's files: size, logit difference, and dev metric if evaluated. */
export function onnxTable(models: readonly OnnxModel[], metric: string): string {
  const rows = models.map(({ dtype, file, bytes, largestDifference, dev }): Cell[] => [
    `onnx/${file}`,
    dtype,
    megabytes(bytes),
    largestDifference.toPrecision(2),
    dev?.[metric]?.toFixed(4) ?? '–',
  ]);
  return htmlTable(rows, ['file', 'type', 'size', 'largest logit difference', `dev ${metric} ★`]);
}

/** Table of this run, LoRA and full fine-tuning of the same model; each value has its origin. */
export function costTable(parts: ReportParts): string {
  const each = costs(parts);
  const about = (value: number | null, text: (value: number) => string, computed: boolean) =>
    value === null ? '–' : `${text(value)} (${computed ? 'computed' : 'measured'})`;
  const seconds = (value: number) => `${value.toPrecision(3)} s`;
  const own = each[0]?.multiplyAdds;
  const rows: Cell[][] = [
    ['trainable parameters', ...each.map(({ trained }) => grouped(trained))],
    ['bytes of the result', ...each.map((cost) => about(cost.resultBytes, megabytes, !cost.measuredBytes))],
    ['weights, gradients, moments', ...each.map(({ stateBytes }) => about(stateBytes, megabytes, true))],
    ['peak memory of the processes', ...each.map(({ peakBytes }) => about(peakBytes, megabytes, false))],
    [
      'multiply-adds of a step, relative',
      ...each.map(({ multiplyAdds }) =>
        own && multiplyAdds ? about(multiplyAdds / own, (ratio) => ratio.toFixed(2), true) : '–',
      ),
    ],
    ['seconds per epoch', ...each.map(({ epochSeconds }, i) => about(epochSeconds, seconds, i > 0))],
  ];
  return htmlTable(rows, ['quantity', ...each.map(({ name }) => name)]);
}

/** Formulas of {@link costTable}. */
export function costNotes(parts: ReportParts): string {
  const entries = costFormulas(parts).map(([what, how]) => `<dt>${escapeXml(what)}</dt><dd>${escapeXml(how)}</dd>`);
  return `<details open><summary>How this is computed</summary><dl>${entries.join('')}</dl></details>`;
}

/** Table of hashes and options, from which the result can be repeated. */
export function repeatTable(
  { model, data, options, iterations }: HeadReport,
  mask?: Mask,
  training?: TrainOptions,
): string {
  const rows: Cell[][] = [
    ['model', `${model.name} (${model.architecture})`],
    ['model SHA-256', model.sha256],
    ['data', `${data.path}, ${grouped(data.rows)} rows`],
    ['data SHA-256', data.sha256],
    ['analysis', settingsText(options)],
    ['PageRank', `${iterations} rounds`],
  ];
  if (mask) {
    const { strategy, k, budget, tune } = mask;
    rows.push(['selection', settingsText({ strategy, ...(budget === undefined ? { k } : { budget }), tune })]);
  }
  if (training) rows.push(['training', settingsText(training)]);
  return htmlTable(rows);
}

/** Share in percent: `97 %`. */
const percent = (share: number) => `${percentDigits(share)} %`;

/** Size in MB of 10⁶ bytes. */
const megabytes = (bytes: number) =>
  `${bytes < 99.5e6 ? (bytes / 1e6).toFixed(1) : grouped(Math.round(bytes / 1e6))} MB`;
