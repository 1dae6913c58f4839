import { rowNumber, selectRows } from '../data/dataset';
import { encodeLabels, fitLabels, labelWarnings, strataOf } from '../data/labels';
import { type LabelSet, logitCount, NO_CLASSES } from '../data/problem';
import { readDataset } from '../data/read';
import { drawSample, holdOut } from '../data/split';
import { windowRows } from '../data/windows';
import { windowOptions } from '../data/word-windows';
import { type ScoreEvent, type ScoreRequest, scoreOptions } from '../delta/score-options';
import { invalidInput, invalidValue, shown, within } from '../foundation/errors';
import type { ReportData } from '../heads/head-report';
import {
  type HeadScores,
  isScoreStrategy,
  type ScoreStrategy,
  scoreStrategies,
  trainsHalfAnEpoch,
} from '../heads/scores';
import type { Tune } from '../heads/tune';
import { type Checkpoint, openCheckpoint } from '../model/checkpoint';
import { reportModelOf } from '../model/description';
import { loadTokenizer } from '../model/tokenizer';
import { contrastScores } from './contrast-scores';
import { checkDevice } from './device';
import { gateScores } from './gate-scores';
import { allRows, tokenLimit } from './inputs';
import { meanGradientScores } from './mean-gradient';
import { movementScores } from './movement';
import { neuronNorms } from './neuron-norms';
import { type HeadValues, type Scored, type ScoredRows, type Scoring, withoutError } from './scoring';
import { activationScores, sequenceScores } from './sequence-scores';
import { deviceOf, type TensorFlow } from './session';
import { TokenRows } from './token-rows';
import { warmUp as warmedUp } from './warm-up';

/** Scoring by each strategy without a task head. */
const WITHOUT_HEAD = {
  contrast: contrastScores,
  activation: activationScores,
  // biome-ignore lint/correctness/useYield: it runs no rows
  async *magnitude({ checkpoint }: Scoring): AsyncGenerator<ScoreEvent, Scored> {
    return withoutError(neuronNorms(checkpoint));
  },
};

/** Scoring by each strategy with a task head after its warm-up. */
const WITH_HEAD: Readonly<
  Record<
    Exclude<ScoreStrategy, keyof typeof WITHOUT_HEAD>,
    (scoring: Scoring, rows: ScoredRows, head: HeadValues) => AsyncGenerator<ScoreEvent, Scored>
  >
> = {
  gradient: (scoring, rows, head) => sequenceScores(scoring, rows, head, 'gates'),
  fisher: (scoring, rows, head) => sequenceScores(scoring, rows, head, 'squares'),
  'grad-l1': meanGradientScores,
  movement: (scoring, rows, head) => movementScores(scoring, rows, head, 'movement'),
  alps: (scoring, rows, head) => movementScores(scoring, rows, head, 'alps'),
  gate: gateScores,
};

const hasHead = (strategy: ScoreStrategy): strategy is keyof typeof WITH_HEAD => strategy in WITH_HEAD;

/**
 * Scores all heads by a strategy that needs gradients, or all neurons (docs/method.md): rows →
 * tokens → a task head after a short training on the frozen encoder, if there is one → scores. The
 * sample is drawn from the training rows without the tenth that a training without dev rows holds
 * out, so the evaluation rows do not influence the choice. `movement` and `alps` draw half of these
 * rows for any `samples`, and `samples` of them for their warm-up. The same request gives the same
 * scores.
 *
 * @throws INVALID_INPUT for a bad option, bad rows or labels; FAILED if a loss or a score is not
 *   finite; CANCELLED by `signal`, within a batch
 */
export async function* scoreHeads(
  tf: TensorFlow,
  request: ScoreRequest,
  signal?: AbortSignal,
): AsyncGenerator<ScoreEvent, HeadScores> {
  const options = scoreOptions(request.options);
  checkStrategy(request.strategy, options.tune);
  checkDevice(tf, options.device);
  const checkpoint = await within('model', () => openCheckpoint(request.model, request.modelName));
  try {
    const maxLength = tokenLimit(checkpoint, options.maxLength);
    const started = performance.now();
    const { labels, data, rows, warnings } = await within('train', () =>
      readSample(checkpoint, request, { ...options, maxLength }),
    );
    for (const message of warnings) yield { kind: 'warning', message };
    if (!trainsHalfAnEpoch(request.strategy) && data.sampleIds.length < options.samples) {
      const message = `${data.path} has ${data.rows} rows to score with, fewer than the ${options.samples} to sample: all are used`;
      yield { kind: 'warning', message };
    }
    const outputs = logitCount(labels);
    const { seed, tune } = options;
    const tokens = new TokenRows(checkpoint);
    const objective = { problem: labels.problem };
    const scoring: Scoring = { tf, checkpoint, tokens, outputs, objective, tune, seed, signal };
    const { scores, scoresStderr, warmUp } = yield* scored(scoring, rows, request.strategy, options.samples);
    return {
      schemaVersion: 1,
      strategy: request.strategy,
      model: reportModelOf(checkpoint),
      data,
      options: { samples: options.samples, maxLength: options.maxLength, tune },
      seed: options.seed,
      samples: data.sampleIds.length,
      scores,
      scoresStderr,
      warmUp,
      deviceUsed: deviceOf(tf),
      elapsedSeconds: (performance.now() - started) / 1000,
    };
  } finally {
    checkpoint.close();
  }
}

/** @throws HifiError INVALID_INPUT for a strategy that does not score these units */
function checkStrategy(strategy: ScoreStrategy, tune: Tune): void {
  if (isScoreStrategy(strategy, tune)) return;
  const expected = `one of ${scoreStrategies(tune).join(', ')} with tune ${tune}`;
  throw invalidValue({ field: 'strategy', value: shown(strategy), expected });
}

/** @param first number of rows of the task head's warm-up */
async function* scored(
  scoring: Scoring,
  rows: ScoredRows,
  strategy: ScoreStrategy,
  first: number,
): AsyncGenerator<ScoreEvent, Scored & Pick<HeadScores, 'warmUp'>> {
  if (!hasHead(strategy)) return { ...(yield* WITHOUT_HEAD[strategy](scoring, rows)), warmUp: null };
  const { head, warmUp } = yield* warmedUp(scoring, {
    encoded: rows.encoded.slice(0, first),
    targets: Array.from(rows.targets).slice(0, first),
  });
  return { ...(yield* WITH_HEAD[strategy](scoring, rows, head)), warmUp };
}

async function readSample(
  checkpoint: Checkpoint,
  { model, train, strategy }: ScoreRequest,
  { samples, maxLength, seed }: { samples: number; maxLength: number; seed: number },
): Promise<{ labels: LabelSet; data: ReportData; rows: ScoredRows; warnings: string[] }> {
  const whole = await readDataset(train, 'labels');
  const labels = fitLabels(whole);
  const noClasses = NO_CLASSES[labels.problem];
  if (strategy === 'contrast' && noClasses !== undefined) {
    throw invalidInput(`strategy contrast needs rows of one class each, and ${noClasses}: choose another strategy`);
  }
  const kept = holdOut(strataOf(encodeLabels(whole, labels), labels), seed).train;
  const drawn = trainsHalfAnEpoch(strategy) ? Math.ceil(kept.length / 2) : samples;
  const sample = drawSample(kept.length, drawn, seed);
  const dataset = selectRows(
    whole,
    sample.map((row) => kept[row]),
  );
  const options = windowOptions({ maxLength });
  const encoded = windowRows(dataset, loadTokenizer(model), options, checkpoint.config).windows;
  const { path, sha256 } = whole;
  const sampleIds = Array.from(allRows(dataset), (row) => rowNumber(dataset, row));
  return {
    labels,
    warnings: labelWarnings(whole, labels),
    data: { path, sha256, rows: kept.length, sampleIds },
    rows: { encoded, targets: encodeLabels(dataset, labels) },
  };
}
