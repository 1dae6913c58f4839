import { create } from '@bufbuild/protobuf';
import { invalidValue, shown } from '../foundation/errors';
import { type HeadScores, isScoreStrategy, type ScoreStrategy, scoreStrategies } from '../heads/scores';
import { unitsPerLayer } from '../heads/select';
import type { Tune } from '../heads/tune';
import { type HeadScores as HeadScoresMessage, HeadScoresSchema, type WarmUp } from './gen/hifi/v1/trainer_pb';
import { deviceOf } from './head-report';
import { matrixOf } from './matrix';
import { measuredRowsMessage, measuredRowsOf } from './measured-rows';
import { modelMessage, modelOf } from './model';
import { scoreMessage, scoreOptionsOf } from './options';

/** Scores with their warnings for the user. */
export interface ScoresWithWarnings {
  scores: HeadScores;
  warnings: string[];
}

/**
 * Checks a scoring strategy. @throws HifiError INVALID_INPUT for a strategy without gradients or an
 * unknown one
 */
export function scoreStrategyOf(strategy = 'gradient', tune?: Tune, field = 'strategy'): ScoreStrategy {
  if (isScoreStrategy(strategy, tune)) return strategy;
  const expected = `${scoreStrategies(tune).join(', ')}: others need no scores`;
  throw invalidValue({ field, value: shown(strategy), expected });
}

export function scoresMessage({ scores: head, warnings }: ScoresWithWarnings): HeadScoresMessage {
  const { strategy, model, data, options, seed, samples, scores, scoresStderr, warmUp } = head;
  const { layers, heads, headDim } = model;
  return create(HeadScoresSchema, {
    strategy,
    model: modelMessage(model),
    layers,
    heads,
    headDim,
    data: measuredRowsMessage(data),
    options: scoreMessage({ ...options, seed }),
    samples,
    scores: scores.flat(),
    scoresStderr: scoresStderr.flat().filter((error) => error !== null),
    ...(warmUp && { warmUp: { ...warmUp } }),
    deviceUsed: head.deviceUsed,
    elapsedSeconds: head.elapsedSeconds,
    warnings,
  });
}

/**
 * Converts a message back to the scores that were sent.
 *
 * @throws HifiError INVALID_INPUT for a missing part or one of another size
 */
export function scoresOf(message: HeadScoresMessage, field = 'scores'): ScoresWithWarnings {
  const { layers, heads, headDim, scoresStderr } = message;
  const at = (part: string) => `${field}.${part}`;
  const { samples, maxLength, tune, seed } = scoreOptionsOf(message.options, at('options'));
  const model = modelOf(message.model, { layers, heads, headDim }, at('model'));
  const perLayer = unitsPerLayer(model, tune);
  const scores: HeadScores = {
    schemaVersion: 1,
    strategy: scoreStrategyOf(message.strategy, tune, at('strategy')),
    model,
    data: measuredRowsOf(message.data, at('data')),
    options: { samples, maxLength, tune },
    seed,
    samples: message.samples,
    scores: matrixOf(message.scores, layers, perLayer, at('scores')),
    scoresStderr:
      scoresStderr.length === 0
        ? Array.from({ length: layers }, () => new Array<null>(perLayer).fill(null))
        : matrixOf(scoresStderr, layers, perLayer, at('scores_stderr')),
    warmUp: message.warmUp ? warmUpOf(message.warmUp) : null,
    deviceUsed: deviceOf(message.deviceUsed, at('device_used')),
    elapsedSeconds: message.elapsedSeconds,
  };
  return { scores, warnings: [...message.warnings] };
}

const warmUpOf = ({ epochs, steps, lr, firstLoss, lastLoss }: WarmUp) => ({ epochs, steps, lr, firstLoss, lastLoss });
