import type { Targets } from '../data/label-reading';
import { didYouMean } from '../data/nearest';
import type { LabelSet, ProblemType } from '../data/problem';
import { invalidPart, invalidValue, shown } from '../foundation/errors';
import { PROBLEMS } from './problems';
import type { TrainOptions } from './training-options';

/** Loss of a training: its problem, with weights of the labels and smoothing. */
export interface Objective {
  problem: ProblemType;
  /** Weight of a class's rows, or of a label's positive cells. Default: 1 each. // [C] */
  weights?: readonly number[];
  /** Share of each target that is spread over the labels evenly, 0 … 1. Default: 0. */
  smoothing?: number;
}

/**
 * Loss of a training on these rows.
 *
 * @throws HifiError INVALID_INPUT for an option that the problem does not have, or a weight of a
 *   label that the training rows lack
 */
export function objectiveOf(
  labels: LabelSet,
  { classWeights, labelSmoothing, threshold }: Pick<TrainOptions, 'classWeights' | 'labelSmoothing' | 'threshold'>,
  train: Targets,
): Objective {
  const { problem } = labels;
  const { balancedWeights, thresholds, smooths } = PROBLEMS[problem];
  const excess = (field: string, needed: string) =>
    invalidPart(`options.${field}`, `training option ${field} needs ${needed}; the problem is ${problem}`);
  if (classWeights !== undefined && !balancedWeights)
    throw excess('classWeights', 'the problem single-label or multi-label');
  if (labelSmoothing && !smooths) throw excess('labelSmoothing', 'labels that are no free numbers');
  if (threshold !== undefined && !thresholds) throw excess('threshold', 'the problem multi-label');
  const weights =
    typeof classWeights === 'object'
      ? givenWeights(labels, classWeights)
      : classWeights && balancedWeights!(train, labels);
  return { problem, ...(weights && { weights }), ...(labelSmoothing && { smoothing: labelSmoothing }) };
}

/** Weights by label, 1 for a label that has none. */
function givenWeights({ names }: LabelSet, given: Readonly<Record<string, number>>): number[] {
  const unknown = Object.keys(given).find((name) => !names.includes(name));
  if (unknown === undefined) return names.map((name) => (Object.hasOwn(given, name) ? given[name] : 1));
  const expected = `a label of the training rows${didYouMean(unknown, names)}`;
  throw invalidValue(
    { field: 'options.classWeights', value: shown(unknown), expected },
    'training option classWeights',
  );
}
