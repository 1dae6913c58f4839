import { z } from 'zod';
import { invalidInput, invalidPart, invalidValue } from '../foundation/errors';
import type { HeadPlace } from './head-groups';
import type { HeadParameters, HeadReport, NeuronSizes, PerHead, ReportModel, Scope } from './head-report';
import { type Mask, STRATEGIES, type Strategy } from './mask';
import { numberIn, optionsCheck, seedRule, tuneRule, wholeFrom1 } from './options';
import { RANKING_DEFAULTS, RANKING_RULES, type RankingOptions, rankHeads } from './ranking';
import { byScore } from './score-order';
import { type HeadScores, isScoreStrategy, NEURON_STRATEGIES } from './scores';
import { seededScores } from './seeded-order';
import { type HeadRole, type HeadTune, rolesOf, type Tune } from './tune';

/** Options of choosing heads or neurons (docs/method.md). */
export interface SelectionOptions extends RankingOptions {
  /** Score by which heads or neurons are chosen; `gradient` is the default for neurons. */
  strategy: Strategy;
  /**
   * Heads per layer, 1 … H, or neurons per layer, 1 … di. If neither `k` nor `budget` is given: 3
   * heads, or as many neurons as have no more parameters than 3 heads with `qkv`. `all` and `none`
   * ignore both.
   */
  k?: number;
  /**
   * Maximum share of the base model's parameters to tune, instead of `k`, 0 < budget ≤ 1. It
   * chooses the best heads or neurons of the whole model; the graph has scope `model`, and `scope`
   * is ignored.
   */
  budget?: number;
  /** Tuned matrices of each head, letters of `qkvo`; or `neurons` of the feed-forward layers. */
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

/** Strategy for heads or neurons if none is given. */
export const defaultStrategy = (tune?: string): Strategy =>
  tune === 'neurons' ? 'gradient' : SELECTION_DEFAULTS.strategy;

/** Rules for the options that do not depend on the model. */
const RULES = {
  strategy: z.enum(STRATEGIES, `one of ${STRATEGIES.join(', ')}`),
  tune: tuneRule,
  seed: seedRule,
  ...RANKING_RULES,
};

const SHARE = 'above 0, at most 1';
const isShare = (budget: number) => budget > 0 && budget <= 1;

/**
 * Size of a selection, in which neither k nor budget may be given: then it is the default number of
 * heads; that of neurons depends on the model.
 */
export function sizeOf({
  k,
  budget,
  tune,
}: Pick<Partial<SelectionOptions>, 'k' | 'budget' | 'tune'>): { k?: number } | { budget: number } {
  if (budget !== undefined) return { budget };
  return k === undefined && tune === 'neurons' ? {} : { k: k ?? SELECTION_DEFAULTS.k };
}

const suits = ({ strategy, tune }: SelectionOptions) => tune !== 'neurons' || NEURON_STRATEGIES.includes(strategy);
const SUITABLE = { path: ['strategy'], message: `one of ${NEURON_STRATEGIES.join(', ')} with tune neurons` };

/** Rules for all options but k and budget. */
const sizeless = z.object(RULES).refine((options) => suits(options as SelectionOptions), SUITABLE);

const checkedOptions = optionsCheck<SelectionOptions>(
  'selection',
  sizeless.and(z.object({ k: wholeFrom1.optional(), budget: numberIn(SHARE, isShare).optional() })),
  {},
);

/**
 * Fills in defaults, and checks options without the model; {@link unitsToChoose} checks the size.
 */
export const selectionOptions = (given: Partial<SelectionOptions>) => checkedOptions(withDefaults(given));

const sizelessOptions = optionsCheck<SelectionOptions>('selection', sizeless, {});

/** Options with defaults, except for k and budget. */
function withDefaults(given: Partial<SelectionOptions>): Partial<SelectionOptions> {
  const known = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const { k: _, ...defaults } = SELECTION_DEFAULTS;
  return { ...defaults, strategy: defaultStrategy(given.tune), ...known };
}

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
 * With `neurons` it chooses feed-forward neurons in the same way.
 *
 * @param report heads.json, or scores.json for a strategy whose scores `hifi score` computes
 * @throws HifiError INVALID_INPUT for an unknown strategy, or one without scores of neurons; a k
 *   outside 1 … H; a budget that is out of range or too small for one head; a k and a budget; a
 *   seed out of range; a ranking option out of range, if the heads are ranked
 */
export function selectHeads(report: SelectionInput | ScoredHeads, options: Partial<SelectionOptions> = {}): Mask {
  const chosen = sizelessOptions(withDefaults(options));
  if (options.k !== undefined && options.budget !== undefined) {
    throw invalidPart('budget', `k is ${options.k} and budget is ${options.budget}; give one of them`);
  }
  const { model } = report;
  const size = unitsToChoose(chosen, model);
  const scores = scoresOf(report, { ...chosen, scope: rankingScope(chosen) });
  const firstLayer = chosen.strategy === 'hifi-mid-top' ? Math.floor(model.layers / 2) : 0;

  // Groups to choose the best from: each layer, or with a budget all layers together.
  const groups = size.budget === undefined ? scores.slice(firstLayer) : [scores.slice(firstLayer).flat()];
  const anyScale = isScoreStrategy(chosen.strategy, chosen.tune);
  const order = groups.map((group) => byScore(group, { lowestFirst: chosen.strategy === 'bottom', anyScale }));
  const { budget } = size;
  const best = order.map((nodes) =>
    budget === undefined ? nodes.slice(0, size.count) : unitsWithin(budget, nodes, model, chosen.tune),
  );
  const perLayer = unitsPerLayer(model, chosen.tune);
  const places = best.flatMap((nodes, group) =>
    nodes
      .sort((a, b) => a - b)
      .map((node) => {
        const layer = firstLayer + group + Math.floor(node / perLayer);
        return { layer, number: node % perLayer, score: scores[layer][node % perLayer] };
      }),
  );
  const selected = maskedUnits(chosen.tune, places);
  const trainableParameters = trainedParameters(model, { ...selected, tune: chosen.tune });
  return {
    schemaVersion: 1,
    model: { name: model.name, sha256: model.sha256 },
    strategy: chosen.strategy,
    ...(budget === undefined ? { k: size.count } : { budget }),
    tune: chosen.tune,
    ...selected,
    trainableParameters,
    totalParameters: model.parameters,
    share: trainableParameters / model.parameters,
  };
}

/** Heads or neurons of a mask. */
type Units = Pick<Mask, 'heads' | 'neurons'>;

const maskedUnits = (tune: Tune, places: readonly { layer: number; number: number; score: number }[]): Units =>
  tune === 'neurons'
    ? { heads: [], neurons: places.map(({ layer, number: index, score }) => ({ layer, index, score })) }
    : { heads: places.map(({ layer, number: head, score }) => ({ layer, head, score })) };

/** Number of heads per layer whose stability an analysis reports for a selection. */
export const topHeads = ({ k, tune }: Pick<SelectionOptions, 'k' | 'tune'>): number =>
  tune === 'neurons' ? SELECTION_DEFAULTS.k : (k ?? SELECTION_DEFAULTS.k);

/** Scope of the graph in which heads are ranked. A budget covers the whole model. */
export const rankingScope = ({ budget, scope }: Pick<SelectionOptions, 'budget' | 'scope'>): Scope =>
  budget === undefined ? scope : 'model';

/** Sizes of a model that determine the number of trainable parameters. */
type HeadSizes = Pick<ReportModel, 'headDim' | 'hiddenSize' | 'headParameters'>;
/** Sizes of a model that determine which numbers of heads or neurons can be chosen. */
type ModelSizes = HeadSizes & Pick<ReportModel, 'heads' | 'parameters' | 'neurons'>;

/**
 * Number of trainable parameters of one head alone: its rows of the tuned matrices W_Q, W_K and W_V
 * and of their biases that have a gradient, and its columns of W_O (docs/method.md).
 */
export function parametersPerHead(model: HeadSizes, tune: HeadTune) {
  return numbersOf(headParametersOf(model), rolesOf(tune));
}

/**
 * Number of trainable parameters of some heads or neurons. Rows that heads of a group share count
 * once.
 */
export function trainedParameters(
  model: HeadSizes & Pick<ReportModel, 'neurons'>,
  { heads, neurons = [], tune }: { heads: readonly HeadPlace[]; neurons?: readonly unknown[]; tune: Tune },
): number {
  if (tune === 'neurons') return neurons.length * neuronsOf(model).parameters;
  const sizes = headParametersOf(model);
  const groups = new Set(heads.map(({ layer, head }) => `${layer}.${Math.floor(head / sizes.groupSize)}`));
  const [ofGroup, ofHead] = [true, false].map((shared) =>
    rolesOf(tune).filter((role) => (role === 'k' || role === 'v') === shared),
  );
  return heads.length * numbersOf(sizes, ofHead) + groups.size * numbersOf(sizes, ofGroup);
}

/** @throws HifiError INVALID_INPUT for a file that older versions wrote */
function neuronsOf({ neurons }: Pick<ReportModel, 'neurons'>): NeuronSizes {
  if (neurons) return neurons;
  throw invalidInput('the model of this file has no number of neurons: analyze or score it with this version');
}

/** Heads or neurons of a layer. */
export const unitsPerLayer = (model: Pick<ReportModel, 'heads' | 'neurons'>, tune: Tune): number =>
  tune === 'neurons' ? neuronsOf(model).perLayer : model.heads;

const numbersOf = (sizes: HeadParameters, roles: readonly HeadRole[]) =>
  roles.reduce((sum, role) => sum + sizes[role], 0);

function headParametersOf({ headDim, hiddenSize, headParameters }: HeadSizes): HeadParameters {
  const matrix = headDim * hiddenSize;
  return headParameters ?? { q: matrix + headDim, k: matrix, v: matrix + headDim, o: matrix, groupSize: 1 };
}

/** Scores that a strategy uses, [L][H], or of neurons [L][di]. */
function scoresOf(report: SelectionInput | ScoredHeads, options: SelectionOptions): PerHead {
  const { layers } = report.model;
  if ('scores' in report) return scoresGiven(report, options);
  const { strategy, tune } = options;
  const ofScores: boolean = isScoreStrategy(strategy, tune);
  if (ofScores) throw unscored(strategy, tune);
  const perLayer = unitsPerLayer(report.model, tune);
  switch (strategy) {
    case 'random': {
      const drawn = seededScores(options.seed, layers * perLayer);
      return Array.from({ length: layers }, (_, layer) => drawn.slice(layer * perLayer, (layer + 1) * perLayer));
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
      return Array.from({ length: layers }, () => new Array<number>(perLayer).fill(0));
    case 'hifi':
    case 'hifi-mid-top':
    case 'bottom':
      return rankHeads(report, options).pagerank;
    default:
      throw unscored(strategy, tune);
  }
}

function unscored(strategy: Strategy, tune: Tune) {
  const what = tune === 'neurons' ? `strategy ${strategy} for neurons` : `strategy ${strategy}`;
  return invalidPart('strategy', `${what} needs scores that an analysis does not have; hifi score computes them`);
}

function scoresGiven(given: ScoredHeads, { strategy, tune }: Pick<SelectionOptions, 'strategy' | 'tune'>): PerHead {
  if (given.strategy !== strategy) {
    const advice = isScoreStrategy(strategy, tune) ? '' : ', which needs an analysis';
    throw invalidInput(`the scores are of strategy ${given.strategy}, the requested strategy is ${strategy}${advice}`);
  }
  const scored = given.options?.tune ?? tune;
  const anyMatrices = strategy === 'gradient' && scored !== 'neurons' && tune !== 'neurons';
  if (scored === tune || anyMatrices) return given.scores;
  throw invalidInput(`the scores are for tune ${scored}, the selection is for tune ${tune}; score with tune ${tune}`);
}

/**
 * Number of heads or neurons to choose in each layer, or the budget of all layers together.
 *
 * @throws HifiError INVALID_INPUT if the model does not allow k or the budget
 */
export function unitsToChoose(
  { strategy, k, budget, tune }: SelectionOptions,
  model: ModelSizes,
): { count: number; budget?: undefined } | { budget: number; count?: undefined } {
  const perLayer = unitsPerLayer(model, tune);
  if (strategy === 'all') return { count: perLayer };
  if (strategy === 'none') return { count: 0 };
  if (budget !== undefined) {
    checkBudget(budget, model, tune);
    return { budget };
  }
  const count = k ?? (tune === 'neurons' ? asManyNeurons(model) : SELECTION_DEFAULTS.k);
  if (!Number.isInteger(count) || count < 1 || count > perLayer) {
    const expected = `1 to ${perLayer}: a layer of this model has ${perLayer} ${unitOf(tune)}s`;
    throw invalidValue({ field: 'k', value: String(count), expected });
  }
  return { count };
}

const unitOf = (tune: Tune) => (tune === 'neurons' ? 'neuron' : 'head');

/** As many neurons as have no more parameters than the default number of heads. */
function asManyNeurons(model: ModelSizes): number {
  const { perLayer, parameters } = neuronsOf(model);
  const ofHeads = SELECTION_DEFAULTS.k * parametersPerHead(model, 'qkv');
  return Math.min(perLayer, Math.max(1, Math.floor(ofHeads / parameters)));
}

/** @throws HifiError INVALID_INPUT for a budget that is no share or too small for one unit */
function checkBudget(budget: number, model: ModelSizes, tune: Tune): void {
  const wrong = (expected: string) => invalidValue({ field: 'budget', value: String(budget), expected });
  if (!isShare(budget)) throw wrong(SHARE);
  const [one, { parameters }] = [trainedBy(model, [0], tune), model];
  if (one / parameters <= budget) return;
  const least = roundedUp(one / parameters);
  throw wrong(`at least ${least}: one ${unitOf(tune)} is ${one} of the model's ${parameters} parameters`);
}

/**
 * First heads or neurons of an order whose share of the parameters does not exceed the budget.
 *
 * @param order numbers of units, layer · per layer + number, from any layer on
 */
function unitsWithin(budget: number, order: readonly number[], model: ModelSizes, tune: Tune): number[] {
  const fits = (count: number) => trainedBy(model, order.slice(0, count), tune) / model.parameters <= budget;
  let [least, most] = [0, order.length];
  while (least < most) {
    const middle = Math.ceil((least + most) / 2);
    if (fits(middle)) least = middle;
    else most = middle - 1;
  }
  return order.slice(0, least);
}

/** Number of trainable parameters of some units, by their numbers in the model. */
function trainedBy(model: ModelSizes, nodes: readonly number[], tune: Tune): number {
  const perLayer = unitsPerLayer(model, tune);
  const places = nodes.map((node) => ({ layer: Math.floor(node / perLayer), number: node % perLayer, score: 0 }));
  return trainedParameters(model, { ...maskedUnits(tune, places), tune });
}

/** Rounds up to three digits, so that the number is short and large enough. */
function roundedUp(share: number): number {
  const step = 10 ** (Math.floor(Math.log10(share)) - 2);
  return Number((Math.ceil(share / step) * step).toPrecision(3));
}
