import { z } from 'zod';
import type { Encoded } from '../data/batches';
import { invalidPart, invalidValue } from '../foundation/errors';
import type { StageProgress } from '../foundation/progress';
import { type HeadGroups, type HeadPlace, headGroups } from '../heads/head-groups';
import type { HeadReport } from '../heads/head-report';
import { optionsCheck, seedRule } from '../heads/options';
import type { DeltaInfo } from './delta-info';
import { labelledRows, runRows, type TunedModel } from './inference';
import { type EvaluateRequest, inferenceOptions } from './inference-options';
import { type Logits, predictions } from './logits';
import { type MetricEstimate, ResampledMetric } from './resampled-metric';

/** Number of draws among the other heads. */
const DRAWS = 20;

const ablationOptions = optionsCheck<Pick<AblationRequest, 'seed'>>('ablation', z.object({ seed: seedRule }), {});

/** Tuned model whose heads can be gated off: their outputs become 0 before W_O. */
export interface GatedModel extends Omit<TunedModel, 'logits'> {
  /** Description of its delta. */
  info: DeltaInfo;
  /**
   * Computes the logits of all rows with each set of heads gated off, side by side in the order of
   * the sets: G sets of C logits are G·C outputs.
   *
   * @yields the number of rows done
   */
  gatedLogits(
    rows: readonly Encoded[],
    batchSize: number,
    off: readonly (readonly HeadPlace[])[],
  ): AsyncGenerator<number, Logits>;
}

/** Request of an ablation. */
export interface AblationRequest extends Omit<EvaluateRequest, 'heldOutBy' | 'omitTexts'> {
  delta: string;
  /** Analysis of the base, whose PageRank has the last heads. Default: none are gated off. */
  heads?: Pick<HeadReport, 'model' | 'pagerank'>;
  /** Seed of the drawn heads and of the bootstrap; unsigned 32-bit. */
  seed: number;
}

/** Metric with some heads gated off. */
export interface GatedMetric extends MetricEstimate {
  /** The metric minus that with all heads on, on the same rows. */
  difference: MetricEstimate;
}

/** Metric with one group of heads gated off. */
export interface GatedHeads extends GatedMetric {
  /** Heads that are gated off, sorted by layer, then head. */
  heads: HeadPlace[];
}

/** Mean metric over draws of heads. */
export interface DrawnHeads extends GatedMetric {
  /** Metric of each draw. */
  draws: {
    /** Heads that are gated off, sorted by layer, then head. */
    heads: HeadPlace[];
    /** Metric on the rows as they are. */
    value: number;
  }[];
  /** The metric with the tuned heads gated off minus the mean with drawn ones, on the same rows. */
  tunedMinusDrawn: MetricEstimate;
}

/**
 * Content of ablation.json: the metric of a tuned model with heads gated off. Each group has as
 * many heads of a layer as are tuned there.
 */
export interface Ablation {
  /** Version of this format. */
  schemaVersion: 1;
  /** Base model. */
  model: DeltaInfo['mask']['model'];
  /** Strategy that chose the tuned heads. */
  strategy: DeltaInfo['mask']['strategy'];
  /** GLUE task of the metric; null for other rows. */
  task: string | null;
  /** Name of the metric; larger is better. */
  metric: string;
  /** Number of rows. */
  rows: number;
  /** Settings of the intervals. */
  bootstrap: {
    /** What is drawn with replacement. */
    unit: 'rows' | 'queries';
    /** Number of units. */
    units: number;
    /** Number of replicates. */
    replicates: number;
    /** Share of the replicates inside an interval. */
    level: number;
    /** Seed of the drawn heads and of the replicates. */
    seed: number;
  };
  /** Metric with all heads on. */
  allOn: MetricEstimate;
  /** Metric with the tuned heads off. */
  tuned: GatedHeads;
  /** Mean metric with drawn others off; null if a layer has fewer others than tuned heads. */
  drawn: DrawnHeads | null;
  /** Metric with the last others by PageRank off; null without a ranking, or as `drawn`. */
  last: GatedHeads | null;
}

/**
 * Measures a tuned model on labelled rows, with all heads on and with groups of heads gated off.
 *
 * @param open loads the model into an engine
 * @throws INVALID_INPUT as `evaluateModel`; for a delta that tunes no heads, or other parts too;
 *   for an analysis of another model
 */
export async function* ablateModel(
  open: () => Promise<GatedModel>,
  request: AblationRequest,
  signal?: AbortSignal,
): AsyncGenerator<StageProgress, Ablation> {
  inferenceOptions(request.options);
  ablationOptions({ seed: request.seed });
  const model = await open();
  try {
    const { mask } = model.info;
    const groups = groupsOf(model, request);
    const sets = [[], groups.tuned, ...groups.drawn, ...(groups.last ? [groups.last] : [])];
    const { task, metrics, dataset, targets } = await labelledRows(model, request);
    const { config, folder, labels } = model;
    const logits = (rows: readonly Encoded[], batchSize: number) => model.gatedLogits(rows, batchSize, sets);
    const all = yield* runRows({ config, folder, logits }, dataset, request.options, signal);
    const answers = apart(all, sets.length).map((each) => predictions(each, labels));
    const compared = { metrics, predictions: answers, targets, names: labels.names };
    const metric = new ResampledMetric(compared, request.seed);
    return {
      schemaVersion: 1,
      model: { name: mask.model.name, sha256: mask.model.sha256 },
      strategy: mask.strategy,
      task,
      metric: metrics.best,
      rows: dataset.rows,
      bootstrap: { unit: labels.problem === 'relevance' ? 'queries' : 'rows', ...metric.settings, seed: request.seed },
      ...measured(metric, groups),
    };
  } finally {
    await model.close();
  }
}

/** Groups of the model's heads. */
function groupsOf({ info, config }: GatedModel, { delta, heads, seed }: AblationRequest): HeadGroups {
  const { mask, parts } = info;
  if (parts) throw invalidPart('delta', `${delta} tunes other parts than heads; only tuned heads can be gated off`);
  if (mask.neurons) throw invalidPart('delta', `${delta} tunes neurons; only tuned heads can be gated off`);
  if (mask.heads.length === 0) {
    throw invalidPart(
      'delta',
      `${delta} tunes no heads, so there are none to gate off: give the delta of chosen heads`,
    );
  }
  if (heads && heads.model.sha256 !== info.base.sha256) {
    const named = ({ name, sha256 }: { name: string; sha256: string }) => `${name} (${sha256.slice(0, 12)}…)`;
    const expected = `of the delta's base, ${named(info.base)}: give its heads.json`;
    throw invalidValue({ field: 'heads', value: `of ${named(heads.model)}`, expected });
  }
  return headGroups(mask.heads, config.heads, { draws: DRAWS, seed, scores: heads?.pagerank });
}

/** Estimates of each group; the metric has all heads on first, then the groups in their order. */
function measured(
  metric: ResampledMetric,
  { tuned, drawn, last }: HeadGroups,
): Pick<Ablation, 'allOn' | 'tuned' | 'drawn' | 'last'> {
  const [ON, TUNED, FIRST] = [0, 1, 2];
  const draws = drawn.map((_, draw) => FIRST + draw);
  const off = (sets: readonly number[]): GatedMetric => ({
    ...metric.mean(sets),
    difference: metric.mean(sets, [ON]),
  });
  return {
    allOn: metric.mean([ON]),
    tuned: { heads: tuned, ...off([TUNED]) },
    drawn:
      draws.length === 0
        ? null
        : {
            ...off(draws),
            draws: drawn.map((heads, draw) => ({ heads, value: metric.mean([draws[draw]]).value })),
            tunedMinusDrawn: metric.mean([TUNED], draws),
          },
    last: last ? { heads: last, ...off([FIRST + draws.length]) } : null,
  };
}

/** Separates logits that are side by side. // [n, G·C] → G of [n, C] */
function apart({ values, outputs: all, words }: Logits, sets: number): Logits[] {
  const outputs = all / sets;
  return Array.from({ length: sets }, (_, set) => {
    const own = new Float32Array(values.length / sets);
    for (let at = 0; at < own.length; at += outputs) {
      const from = at * sets + set * outputs;
      own.set(values.subarray(from, from + outputs), at);
    }
    return { values: own, outputs, ...(words && { words }) };
  });
}
