import { z } from 'zod';
import { invalidInput, invalidPart, invalidValue } from '../foundation/errors';
import type { HeadParameters, HeadReport, PerHead, ReportModel, Scope } from './head-report';
import { type Mask, type MaskHead, STRATEGIES, type Strategy } from './mask';
import { numberIn, optionsCheck, seedRule, tuneRule, wholeFrom1 } from './options';
import { RANKING_DEFAULTS, RANKING_RULES, type RankingOptions, rankHeads } from './ranking';
import { byScore, TIE } from './score-order';
import { type HeadScores, isScoreStrategy } from './scores';
import { seededScores } from './seeded-order';
import { type HeadRole, rolesOf, type Tune } from './tune';

/** Options of choosing heads (docs/method.md). */
export interface SelectionOptions extends RankingOptions {
  /** Score by which heads are chosen. */
  strategy: Strategy;
  /**
   * Heads per layer, 1 … H; 3 if neither `k` nor `budget` is given. `all` and `none` ignore both.
   */
  k?: number;
  /**
   * Maximum share of the base model's parameters to tune, instead of `k`, 0 < budget ≤ 1. It
   * chooses the best heads of the whole model; the graph has scope `model`, and `scope` is ignored.
   */
  budget?: number;
  /** Tuned matrices of each head: letters of `qkvo`. */
  tune: Tune;
  /** Seed of strategy `random`; unsigned 32-bit. */
  seed: number;
}

/** Defaults of HiFi: tune Q, K and V of the three heads per layer with the highest PageRank. */
export const SELECTION_DEFAULTS: SelectionOptions & Required<Pick<SelectionOptions, 'k'>> = {
  strategy: 'hifi',
  k: 3,
  tune: 'qkv',
  seed: 0,
  ...RANKING_DEFAULTS,
};

/** Rules for the options that do not depend on the model. */
const RULES = {
  strategy: z.enum(STRATEGIES, `one of ${STRATEGIES.join(', ')}`),
  tune: tuneRule,
  seed: seedRule,
  ...RANKING_RULES,
};

const SHARE = 'above 0, at most 1';
const isShare = (budget: number) => budget > 0 && budget <= 1;

/** Checks options without the model; {@link headsToChoose} checks k and budget against it. */
export const selectionOptions = optionsCheck<SelectionOptions>(
  'selection',
  z.object({ ...RULES, k: wholeFrom1.optional(), budget: numberIn(SHARE, isShare).optional() }),
  {},
);

/** Fills in defaults and checks all but k and budget. */
const sizelessOptions = optionsCheck<SelectionOptions>('selection', z.object(RULES), SELECTION_DEFAULTS);

/** Part of heads.json from which a selection is computed. */
export type SelectionInput = Pick<HeadReport, 'richness' | 'correlation' | 'activation' | 'headNorms'> & {
  model: Omit<ReportModel, 'architecture'>;
};

/** Part of scores.json from which a selection is computed. */
export type ScoredHeads = Pick<HeadScores, 'scores'> & {
  strategy: Strategy;
  model: SelectionInput['model'];
  /** Absent for scores that suit any choice of matrices. */
  options?: Pick<HeadScores['options'], 'tune'>;
};

/**
 * Chooses the heads to tune (HiFi §3; docs/method.md). In each layer it takes the k best by the
 * strategy's score; `hifi-mid-top` uses the upper half of the layers. With a budget it takes the
 * best of all those layers. PageRank and Σr are computed from the report with the given options.
 *
 * @param report heads.json, or scores.json for a strategy whose scores need gradients
 * @throws HifiError INVALID_INPUT for an unknown strategy; a k outside 1 … H; a budget that is out
 *   of range or too small for one head; a k and a budget; a seed out of range; a ranking option out
 *   of range, if the heads are ranked
 */
export function selectHeads(report: SelectionInput | ScoredHeads, options: Partial<SelectionOptions> = {}): Mask {
  const chosen = sizelessOptions(options);
  if (options.k !== undefined && options.budget !== undefined) {
    throw invalidPart('budget', `k is ${options.k} and budget is ${options.budget}; give one of them`);
  }
  const { layers, heads } = report.model;
  const size = headsToChoose(chosen, report.model);
  const ofModel = 'budget' in size;
  const scores = scoresOf(report, { ...chosen, scope: rankingScope(chosen) });
  const firstLayer = chosen.strategy === 'hifi-mid-top' ? Math.floor(layers / 2) : 0;

  // Groups of heads to choose the best from: each layer, or with a budget all layers together.
  const groups = ofModel ? [scores.slice(firstLayer).flat()] : scores.slice(firstLayer);
  const tie = isScoreStrategy(chosen.strategy) ? TIE * Math.max(...scores.flat()) : TIE;
  const order = groups.map((group) => byScore(group, chosen.strategy === 'bottom', tie));
  const { budget } = size;
  const best = order.map((nodes) =>
    budget === undefined ? nodes.slice(0, size.heads) : headsWithin(budget, nodes, report.model, chosen.tune),
  );
  const selected = best.flatMap((nodes, group): MaskHead[] =>
    nodes
      .sort((a, b) => a - b)
      .map((node) => {
        const layer = firstLayer + group + Math.floor(node / heads);
        return { layer, head: node % heads, score: scores[layer][node % heads] };
      }),
  );
  const trainableParameters = trainedParameters(report.model, selected, chosen.tune);
  return {
    schemaVersion: 1,
    model: { name: report.model.name, sha256: report.model.sha256 },
    strategy: chosen.strategy,
    ...(ofModel ? { budget: size.budget } : { k: size.heads }),
    tune: chosen.tune,
    heads: selected,
    trainableParameters,
    totalParameters: report.model.parameters,
    share: trainableParameters / report.model.parameters,
  };
}

/** Scope of the graph in which heads are ranked. A budget covers the whole model. */
export const rankingScope = ({ budget, scope }: Pick<SelectionOptions, 'budget' | 'scope'>): Scope =>
  budget === undefined ? scope : 'model';

/** Sizes of a model that determine the number of trainable parameters. */
type HeadSizes = Pick<ReportModel, 'heads' | 'headDim' | 'hiddenSize' | 'parameters' | 'headParameters'>;

/**
 * Number of trainable parameters of one head alone: its rows of the tuned matrices W_Q, W_K and W_V
 * and of their biases that have a gradient, and its columns of W_O (docs/method.md).
 */
export function parametersPerHead(model: Pick<HeadSizes, 'headDim' | 'hiddenSize' | 'headParameters'>, tune: Tune) {
  return numbersOf(headParametersOf(model), rolesOf(tune));
}

/** Number of trainable parameters of some heads. Rows that heads of a group share count once. */
export function trainedParameters(
  model: Pick<HeadSizes, 'headDim' | 'hiddenSize' | 'headParameters'>,
  heads: readonly Pick<MaskHead, 'layer' | 'head'>[],
  tune: Tune,
): number {
  const sizes = headParametersOf(model);
  const groups = new Set(heads.map(({ layer, head }) => `${layer}.${Math.floor(head / sizes.groupSize)}`));
  const [ofGroup, ofHead] = [true, false].map((shared) =>
    rolesOf(tune).filter((role) => (role === 'k' || role === 'v') === shared),
  );
  return heads.length * numbersOf(sizes, ofHead) + groups.size * numbersOf(sizes, ofGroup);
}

const numbersOf = (sizes: HeadParameters, roles: readonly HeadRole[]) =>
  roles.reduce((sum, role) => sum + sizes[role], 0);

function headParametersOf({
  headDim,
  hiddenSize,
  headParameters,
}: Pick<HeadSizes, 'headDim' | 'hiddenSize' | 'headParameters'>): HeadParameters {
  const matrix = headDim * hiddenSize;
  return headParameters ?? { q: matrix + headDim, k: matrix, v: matrix + headDim, o: matrix, groupSize: 1 };
}

/** Scores that a strategy uses, [L][H]. */
function scoresOf(report: SelectionInput | ScoredHeads, options: SelectionOptions): PerHead {
  const { layers, heads } = report.model;
  if ('scores' in report) return scoresGiven(report, options);
  switch (options.strategy) {
    case 'random': {
      const drawn = seededScores(options.seed, layers * heads);
      return Array.from({ length: layers }, (_, layer) => drawn.slice(layer * heads, (layer + 1) * heads));
    }
    case 'magnitude':
      return report.headNorms;
    case 'activation':
      return report.activation;
    case 'richness-only':
      return report.richness;
    case 'correlation-only':
      return rankHeads(report, options).correlationSum;
    case 'all':
    case 'none':
      return Array.from({ length: layers }, () => new Array<number>(heads).fill(0));
    case 'hifi':
    case 'hifi-mid-top':
    case 'bottom':
      return rankHeads(report, options).pagerank;
    case 'gradient':
    case 'grad-l1':
    case 'fisher':
    case 'movement':
      throw invalidPart(
        'strategy',
        `strategy ${options.strategy} needs scores that an analysis does not have; hifi score computes them`,
      );
  }
}

function scoresGiven(given: ScoredHeads, { strategy, tune }: Pick<SelectionOptions, 'strategy' | 'tune'>): PerHead {
  if (given.strategy !== strategy) {
    const advice = isScoreStrategy(strategy) ? '' : ', which needs an analysis';
    throw invalidInput(`the scores are of strategy ${given.strategy}, the requested strategy is ${strategy}${advice}`);
  }
  const scored = given.options?.tune ?? tune;
  if (scored === tune || strategy === 'gradient') return given.scores;
  throw invalidInput(`the scores are for tune ${scored}, the selection is for tune ${tune}; score with tune ${tune}`);
}

/**
 * Number of heads to choose in each layer, or the budget of all layers together.
 *
 * @throws HifiError INVALID_INPUT if the model does not allow k or the budget
 */
export function headsToChoose(
  { strategy, k = SELECTION_DEFAULTS.k, budget, tune }: SelectionOptions,
  model: HeadSizes,
): { heads: number; budget?: undefined } | { budget: number; heads?: undefined } {
  const { heads } = model;
  if (strategy === 'all') return { heads };
  if (strategy === 'none') return { heads: 0 };
  if (budget !== undefined) {
    checkBudget(budget, model, tune);
    return { budget };
  }
  if (!Number.isInteger(k) || k < 1 || k > heads) {
    const expected = `1 to ${heads}: a layer of this model has ${heads} heads`;
    throw invalidValue({ field: 'k', value: String(k), expected });
  }
  return { heads: k };
}

/** @throws HifiError INVALID_INPUT for a budget that is no share or too small for one head */
function checkBudget(budget: number, model: HeadSizes, tune: Tune): void {
  const wrong = (expected: string) => invalidValue({ field: 'budget', value: String(budget), expected });
  if (!isShare(budget)) throw wrong(SHARE);
  const [perHead, { parameters }] = [parametersPerHead(model, tune), model];
  if (perHead / parameters <= budget) return;
  const least = roundedUp(perHead / parameters);
  throw wrong(`at least ${least}: one head is ${perHead} of the model's ${parameters} parameters`);
}

/**
 * First heads of an order whose share of the parameters does not exceed the budget.
 *
 * @param order numbers of heads, layer · H + head, from any layer on
 */
function headsWithin(budget: number, order: readonly number[], model: HeadSizes, tune: Tune): number[] {
  const { heads, parameters } = model;
  const places = order.map((node) => ({ layer: Math.floor(node / heads), head: node % heads }));
  const fits = (count: number) => trainedParameters(model, places.slice(0, count), tune) / parameters <= budget;
  let count = 0;
  while (count < order.length && fits(count + 1)) count++;
  return order.slice(0, count);
}

/** Rounds up to three digits, so that the number is short and large enough. */
function roundedUp(share: number): number {
  const step = 10 ** (Math.floor(Math.log10(share)) - 2);
  return Number((Math.ceil(share / step) * step).toPrecision(3));
}
