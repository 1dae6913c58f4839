import { percentDigits } from '../foundation/percent';
import type { HeadReport } from '../heads/head-report';
import type { Mask, Strategy } from '../heads/mask';
import { byScore } from '../heads/score-order';
import type { ReportParts } from './parts';

/** Share of the replicates from which on a head's place in its layer's top k is certain. */
const SETTLED = 0.95;

/** Most layers that a sentence names; more are counted. */
const MOST_NAMED = 6;

/** Sentence on what the ranking follows, by Spearman's ρ of PageRank (docs/method.md). */
export function rankingInWords({ rankCorrelations, model }: HeadReport): string {
  if (model.heads === 1) return 'The layers have one head each, so there is no ranking.';
  const richness = rankCorrelations.map((layer) => layer.richness);
  const correlation = rankCorrelations.map((layer) => layer.correlationSum);
  const [byRichness, byCorrelation] = [median(richness), median(correlation)];
  const nearer =
    Math.abs(byRichness) >= Math.abs(byCorrelation) ? 'information richness' : 'correlation with other heads';
  const clear = Math.abs(byRichness - byCorrelation) >= 0.1;
  const follows = clear ? `follows ${nearer} more closely` : 'follows both equally';
  return (
    `The ranking ${follows}: its rank correlation with information richness is ${byRichness.toFixed(2)} ` +
    `(${range(richness)} over the layers), with the sum of correlations ${byCorrelation.toFixed(2)} (${range(correlation)}).`
  );
}

/** Strategies that choose the top k by PageRank. */
const BY_TOP: readonly Strategy[] = ['hifi', 'hifi-mid-top'];

/**
 * Sentence on the certainty of the top k; `null` if it was not measured.
 *
 * @param mask what was chosen after the analysis; `null` too if it was not chosen by the top k
 */
export function stabilityInWords(
  { stability, pagerank, options, samples }: HeadReport,
  mask?: Pick<Mask, 'strategy'>,
): string | null {
  if (stability === null || options.k === undefined) return null;
  if (mask && !BY_TOP.includes(mask.strategy)) return null;
  const k = Math.min(options.k, pagerank[0].length);
  const shares = pagerank.flatMap((scores, layer) =>
    byScore(scores)
      .slice(0, k)
      .map((head) => ({ layer, head, share: stability[layer][head] })),
  );
  const open = shares.filter(({ share }) => share < SETTLED);
  const sequences = `${samples} sequence${samples === 1 ? '' : 's'}`;
  const layers = [...new Set(open.map(({ layer }) => layer))];
  if (open.length === 0) {
    return `${sequences} are enough for this top ${k}: each of its heads is in it in at least 95 % of 200 bootstrap replicates.`;
  }
  const some = `layer${layers.length === 1 ? '' : 's'} ${layers.join(', ')}`;
  const which = layers.length > MOST_NAMED ? `${layers.length} of ${pagerank.length} layers` : some;
  const least = open.reduce((a, b) => (b.share < a.share ? b : a));
  return (
    `${sequences} leave the top ${k} of ${which} uncertain: ` +
    `${open.length} of ${shares.length} heads ${open.length === 1 ? 'is' : 'are'} in it in fewer than 95 % of 200 bootstrap replicates, ` +
    `head ${least.head} of layer ${least.layer} in ${percentDigits(least.share, 0, SETTLED)} %.`
  );
}

/** Sentence on the convergence of PageRank. */
export function convergenceInWords({ iterations, options }: HeadReport): string {
  const graphs = options.scope === 'model' ? 'The graph of the model' : 'The slowest layer';
  return (
    `PageRank starts from the richness of the heads. ${graphs} converged in ${iterations} rounds ` +
    `(damping ${options.damping}, teleport ${options.teleport}, correlation ${options.correlation}).`
  );
}

/** Headline figures of the page: name, value and explanation. */
export function answers({
  heads,
  mask,
  metrics,
  deltaBytes,
}: ReportParts): [what: string, value: string, more: string][] {
  const { model, samples, elapsedSeconds, deviceUsed, options } = heads;
  const figures: [string, string, string][] = [
    ['layers × heads', `${model.layers} × ${model.heads}`, `${grouped(model.parameters)} parameters`],
    ['sequences measured', grouped(samples), `${elapsedSeconds.toFixed(1)} s, ${deviceUsed.toUpperCase()}`],
  ];
  if (mask) {
    const size = mask.budget === undefined ? `k = ${mask.k}` : `budget ${percentDigits(mask.budget, 2)} %`;
    const { heads: tuned, neurons, strategy, tune, share } = mask;
    figures.push([
      neurons ? 'tuned neurons' : 'tuned heads',
      `${grouped((neurons ?? tuned).length)} (${percentDigits(share, 1)}\u00a0%)`,
      `${strategy}, ${size}, ${tune}`,
    ]);
  } else figures.push(['ranked by', options.correlation, `teleport ${options.teleport}, damping ${options.damping}`]);
  if (metrics) {
    const { best, metric, epochs, peakRssBytes } = metrics;
    const seconds = epochs.reduce((sum, epoch) => sum + epoch.seconds, 0);
    figures.push(
      [`dev ${metric}`, best.value.toFixed(4), `epoch ${best.epoch} of ${epochs.length}, the best`],
      [
        'training',
        `${seconds.toFixed(1)} s`,
        `${(peakRssBytes / 1e6).toFixed(0)} MB at most, ${[metrics.deviceUsed.toUpperCase(), metrics.precision ?? []].flat().join(', ')}`,
      ],
      [
        'delta',
        deltaBytes === undefined ? '–' : `${(deltaBytes / 1e6).toFixed(1)} MB`,
        `${grouped(metrics.trainableParameters + metrics.taskHeadParameters)} parameters`,
      ],
    );
  }
  return figures;
}

/** Number with thousands separators: `12,345`. */
export const grouped = (value: number) => value.toLocaleString('en-US');

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

const range = (values: readonly number[]) => `${Math.min(...values).toFixed(2)} to ${Math.max(...values).toFixed(2)}`;

/** Options with their values: `epochs 5, lr 0.001`. */
export const settingsText = (values: object): string =>
  Object.entries(values)
    .map(([name, value]) => `${name} ${isTable(value) ? JSON.stringify(value) : value}`)
    .join(', ');

const isTable = (value: unknown) => typeof value === 'object' && value !== null && !Array.isArray(value);
