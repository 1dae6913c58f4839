import { type ScoreOptions, scoreOptions } from '../delta/score-options';
import type { CalibrateRequest } from '../delta/training-cost';
import { within } from '../foundation/errors';
import { peakResidentBytes } from '../foundation/process-memory';
import type { StageProgress } from '../foundation/progress';
import { timedStages } from '../foundation/stage-times';
import { type ScoreStrategy, trainsHalfAnEpoch } from '../heads/scores';
import { trialSequences } from '../model/trial-size';
import { scoreHeads } from './score';
import type { TensorFlow } from './session';
import { calibrate } from './training-calibration';

/** Measured cost of scores that need gradients. */
export interface ScoringCost {
  /** Wall time of the whole scoring, including the start of its process. */
  seconds: number;
  /** Highest resident memory of the processes in which it ran, in bytes. */
  peakBytes: number;
}

/**
 * Measures a scoring on a part of its sample and scales the stages whose time grows with the
 * sample. Runs in its own process, whose start and memory count.
 *
 * @param request its `selection` has a strategy that needs gradients
 * @throws as `scoreHeads` does
 */
export async function* calibrateScoring(
  tf: TensorFlow,
  request: CalibrateRequest,
  signal?: AbortSignal,
): AsyncGenerator<StageProgress, ScoringCost> {
  const startSeconds = process.uptime();
  const { model, train, selection } = request;
  const options: ScoreOptions = scoreOptions(request.scoring);
  const samples = Math.min(options.samples, await within('model', () => trialSequences(model)));
  // Tuning all heads for half an epoch takes long. Such a strategy warms up as `gradient` does, so
  // that is measured, and its steps are calibrated.
  const moves = trainsHalfAnEpoch(selection.strategy);
  const strategy = moves ? 'gradient' : (selection.strategy as ScoreStrategy);
  const part = yield* timedStages(scoreHeads(tf, { model, train, strategy, options: { ...options, samples } }, signal));
  const { samples: scored, data } = part.result;
  const rest = Math.min(options.samples, data.rows) / scored - 1;
  const seconds = startSeconds + part.seconds + rest * (part.of('prefix') + part.of('score'));
  if (!moves) return { seconds, peakBytes: peakResidentBytes() };
  const epoch = {
    ...request,
    selection: { ...selection, strategy: 'all' as const },
    options: { ...request.options, epochs: 1 },
  };
  const tuned = yield* calibrate(tf, epoch, signal);
  return { seconds: seconds + tuned.seconds.steps / 2, peakBytes: tuned.peakBytes };
}
