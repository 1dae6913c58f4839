import { z } from 'zod';
import { invalidInput, invalidPart, invalidValue } from '../foundation/errors';
import type { HeadReport, PerHead, Scope } from './head-report';
import { type Mask, type MaskHead, STRATEGIES, type Strategy, type Tune } from './mask';
import { numberIn, optionsCheck, seedRule, wholeFrom1 } from './options';
import { RANKING_DEFAULTS, RANKING_RULES, type RankingOptions, rankHeads } from './ranking';
import { type HeadScores, isScoreStrategy } from './scores';
import { seededScores } from './seeded-order';

/**
 * Values no further apart than this are one value: what is left of the iteration's tolerance, not of the heads. Gradients come in
 * any scale: of theirs it is a share of the largest.
 */
const TIE = 1e-8;

/** How heads are chosen (docs/method.md). */
export interface SelectionOptions extends RankingOptions {
  /** What they are chosen by. */
  strategy: Strategy;
  /** Heads a layer, 1 … H; 3 where neither it nor `budget` is given. `all` and `none` look at neither. */
  k?: number;
  /**
   * Instead of k: the share of the base model's parameters that may be tuned, 0 < budget ≤ 1. The best heads of the whole model,
   * in as many as do not exceed it; the graph is that of scope `model`, whatever `scope` says.
   */
  budget?: number;
  /** What of each is tuned. */
  tune: Tune;
  /** Of `random`; unsigned 32-bit. */
  seed: number;
}

/** HiFi's own: the three heads a layer of the highest PageRank, of which Q, K and V are tuned. */
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
  tune: z.enum(['qkv', 'qkvo'], 'qkv or qkvo'),
  seed: seedRule,
  ...RANKING_RULES,
};

const SHARE = 'above 0, at most 1';
const isShare = (budget: number) => budget > 0 && budget <= 1;

/** Checks options as far as can be without the model; {@link headsToChoose} checks k and budget against it. */
export const selectionOptions = optionsCheck<SelectionOptions>(
  'selection',
  z.object({ ...RULES, k: wholeFrom1.optional(), budget: numberIn(SHARE, isShare).optional() }),
  {},
);

/** Fills in defaults and checks all but k and budget. */
const sizelessOptions = optionsCheck<SelectionOptions>('selection', z.object(RULES), SELECTION_DEFAULTS);

/** The part of heads.json that a selection is made of. */
export type SelectionInput = Pick<HeadReport, 'richness' | 'correlation' | 'activation' | 'headNorms'> & {
  model: Pick<HeadReport['model'], 'name' | 'sha256' | 'layers' | 'heads' | 'headDim' | 'hiddenSize' | 'parameters'>;
};

/** The part of scores.json that a selection is made of. */
export type ScoredHeads = Pick<HeadScores, 'scores'> & { strategy: Strategy; model: SelectionInput['model'] };

/**
 * Chooses the heads to tune (HiFi §3; docs/method.md): in each layer (`hifi-mid-top`: each of the upper half) the k best by the
 * strategy's score, or with a budget the best of all those layers. Where the score is PageRank or Σr it is made anew from the
 * report with the options given.
 *
 * @param report heads.json; for a strategy whose scores need gradients scores.json
 * @throws HifiError INVALID_INPUT for an unknown strategy, a k outside 1 … H, a budget out of range or too small for one head, both of
 *   them, a seed out of range or, where the heads are ranked, a ranking option.
 */
export function selectHeads(report: SelectionInput | ScoredHeads, options: Partial<SelectionOptions> = {}): Mask {
  const chosen = sizelessOptions(options);
  if (options.k !== undefined && options.budget !== undefined) {
    throw invalidPart('budget', `k is ${options.k} and budget is ${options.budget}; give one of them`);
  }
  const { layers, heads } = report.model;
  const size = headsToChoose(chosen, report.model);
  const ofModel = size.budget !== undefined;
  const scores = scoresOf(report, { ...chosen, scope: rankingScope(chosen) });
  const firstLayer = chosen.strategy === 'hifi-mid-top' ? Math.floor(layers / 2) : 0;

  // Each graph of heads to choose the best from: a layer, or with a budget all layers together.
  const groups = ofModel ? [scores.slice(firstLayer).flat()] : scores.slice(firstLayer);
  const tie = isScoreStrategy(chosen.strategy) ? TIE * Math.max(...scores.flat()) : TIE;
  const best = groups.map((group) => byScore(group, chosen.strategy === 'bottom', tie).slice(0, size.heads));
  const selected = best.flatMap((nodes, group): MaskHead[] =>
    nodes
      .sort((a, b) => a - b)
      .map((node) => {
        const layer = firstLayer + group + Math.floor(node / heads);
        return { layer, head: node % heads, score: scores[layer][node % heads] };
      }),
  );
  const trainableParameters = selected.length * parametersPerHead(report.model, chosen.tune);
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

/** The graph that the heads are ranked in: a budget is spent over the whole model. */
export const rankingScope = ({ budget, scope }: Pick<SelectionOptions, 'budget' | 'scope'>): Scope =>
  budget === undefined ? scope : 'model';

/**
 * What one head has to tune: its dh rows of W_Q, W_K and W_V, and of the biases of Q and V; the key's bias has no gradient
 * (docs/method.md). `qkvo` adds its dh columns of W_O.
 */
export function parametersPerHead(model: { headDim: number; hiddenSize: number }, tune: Tune): number {
  const { headDim, hiddenSize } = model;
  return 3 * headDim * hiddenSize + 2 * headDim + (tune === 'qkvo' ? headDim * hiddenSize : 0);
}

/**
 * Indices by score, highest first (`lowestFirst`: lowest first). Scores within `tie` (1e-8) tie, and ties go to the lower index.
 * "Within" is not transitive, so it is read from the top: the best score gathers all that lie so near it, the best
 * of the rest gathers its own, and so on. The order thus depends on the scores alone, not on the order they are looked at.
 */
export function byScore(scores: readonly number[], lowestFirst = false, tie = TIE): number[] {
  const keys = scores.map((score) => (lowestFirst ? -score : score));
  const order = keys.map((_, i) => i).sort((a, b) => keys[b] - keys[a] || a - b);
  const result: number[] = [];
  for (let start = 0; start < order.length; ) {
    let end = start + 1;
    while (end < order.length && keys[order[start]] - keys[order[end]] <= tie) end++;
    result.push(...order.slice(start, end).sort((a, b) => a - b));
    start = end;
  }
  return result;
}

/** The numbers that a strategy goes by, [L][H]. */
function scoresOf(report: SelectionInput | ScoredHeads, options: SelectionOptions): PerHead {
  const { layers, heads } = report.model;
  if ('scores' in report) return scoresGiven(report, options.strategy);
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
        `strategy ${options.strategy} goes by scores that an analysis does not have; hifi score makes them`,
      );
  }
}

function scoresGiven(given: ScoredHeads, strategy: Strategy): PerHead {
  if (given.strategy === strategy) return given.scores;
  const advice = isScoreStrategy(strategy) ? '' : ', which goes by an analysis';
  throw invalidInput(`the scores are of strategy ${given.strategy}, the strategy asked for is ${strategy}${advice}`);
}

/**
 * How many heads are chosen: of each layer, or under a budget of all layers.
 *
 * @throws HifiError INVALID_INPUT for a k or a budget that the model does not allow.
 */
export function headsToChoose(
  { strategy, k = SELECTION_DEFAULTS.k, budget, tune }: SelectionOptions,
  model: Pick<SelectionInput['model'], 'heads' | 'headDim' | 'hiddenSize' | 'parameters'>,
): { heads: number; budget?: number } {
  const { heads, parameters } = model;
  if (strategy === 'all') return { heads };
  if (strategy === 'none') return { heads: 0 };
  if (budget !== undefined) return { heads: headsWithin(budget, parametersPerHead(model, tune), parameters), budget };
  if (!Number.isInteger(k) || k < 1 || k > heads) {
    const expected = `1 to ${heads}: a layer of this model has ${heads} heads`;
    throw invalidValue({ field: 'k', value: String(k), expected });
  }
  return { heads: k };
}

/** The most heads whose share of the parameters does not exceed the budget. */
function headsWithin(budget: number, perHead: number, parameters: number): number {
  const wrong = (expected: string) => invalidValue({ field: 'budget', value: String(budget), expected });
  if (!isShare(budget)) throw wrong(SHARE);
  let count = Math.round((budget * parameters) / perHead);
  if ((count * perHead) / parameters > budget) count--; // the very share that a mask tells
  if (count > 0) return count;
  const least = roundedUp(perHead / parameters);
  throw wrong(`at least ${least}: one head is ${perHead} of the model's ${parameters} parameters`);
}

/** To three digits, so that the number is short and large enough. */
function roundedUp(share: number): number {
  const step = 10 ** (Math.floor(Math.log10(share)) - 2);
  return Number((Math.ceil(share / step) * step).toPrecision(3));
}
