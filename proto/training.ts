import { create } from '@bufbuild/protobuf';
import type { EpochMetrics, RateChoice, TrainEvent, TrainingOutcome, TrainMetrics } from '../delta/training-options';
import { artifactMessage, artifactOf } from './artifact';
import { errorAnalysisMessage, errorAnalysisOf } from './error-analysis';
import {
  type Epoch,
  EpochSchema,
  type LearningRateChoice,
  LearningRateChoiceSchema,
  type TrainingMetrics,
  TrainingMetricsSchema,
  type TrainingResult,
  TrainingResultSchema,
  type TrainResponse,
  TrainResponseSchema,
} from './gen/hifi/v1/trainer_pb';
import { deviceOf } from './head-report';
import { present } from './matrix';
import { onnxMessage, onnxOf } from './onnx';
import { progressMessage, progressOf } from './progress';

export const epochMessage = ({ epoch, trainLoss, dev, thresholds, seconds }: EpochMetrics): Epoch =>
  create(EpochSchema, { epoch, trainLoss, dev: { ...dev }, thresholds, seconds });

export const epochOf = ({ epoch, trainLoss, dev, thresholds, seconds }: Epoch): EpochMetrics => ({
  epoch,
  trainLoss: present(trainLoss, 'epoch.train_loss'),
  dev: { ...dev },
  ...(thresholds.length > 0 && { thresholds: [...thresholds] }),
  seconds,
});

const rateMessage = ({ lr, reason, tried, rows, seconds }: RateChoice): LearningRateChoice =>
  create(LearningRateChoiceSchema, {
    lr,
    reason,
    tried: tried.map(({ lr, loss }) => ({ lr, ...(loss !== null && { loss }) })),
    rows,
    seconds,
  });

const rateOf = ({ lr, reason, tried, rows, seconds }: LearningRateChoice, field: string): RateChoice => ({
  lr,
  reason,
  tried: tried.map(({ lr, loss }) => ({ lr, loss: loss ?? null })),
  rows: present(rows, `${field}.rows`),
  seconds,
});

export function metricsMessage({
  task,
  resumedFromStep,
  epochs,
  peakRssBytes,
  learningRate,
  onnx = [],
  errorAnalysis,
  ...metrics
}: TrainMetrics): TrainingMetrics {
  return create(TrainingMetricsSchema, {
    ...metrics,
    ...(task !== null && { task }),
    ...(resumedFromStep !== null && { resumedFromStep }),
    best: { ...metrics.best },
    epochs: epochs.map(epochMessage),
    peakRssBytes: BigInt(peakRssBytes),
    ...(learningRate && { learningRate: rateMessage(learningRate) }),
    onnx: onnx.map(onnxMessage),
    ...(errorAnalysis && { errorAnalysis: errorAnalysisMessage(errorAnalysis) }),
  });
}

/** Converts a training's metrics. @throws HifiError INVALID_INPUT if a part is missing */
export function metricsOf(message: TrainingMetrics): TrainMetrics {
  const at = (part: string) => `metrics.${part}`;
  const best = present(message.best, at('best'));
  const { errorAnalysis } = message;
  return {
    task: message.task ?? null,
    metric: message.metric,
    best: { epoch: best.epoch, value: present(best.value, at('best.value')) },
    resumedFromStep: message.resumedFromStep ?? null,
    epochs: message.epochs.map(epochOf),
    trainableParameters: present(message.trainableParameters, at('trainable_parameters')),
    taskHeadParameters: present(message.taskHeadParameters, at('task_head_parameters')),
    peakRssBytes: Number(message.peakRssBytes),
    seed: present(message.seed, at('seed')),
    deviceUsed: deviceOf(message.deviceUsed, at('device_used')),
    ...(message.precision === 'bf16' && { precision: message.precision }),
    ...(errorAnalysis && { errorAnalysis: errorAnalysisOf(errorAnalysis, at('error_analysis')) }),
    ...(message.learningRate && { learningRate: rateOf(message.learningRate, at('learning_rate')) }),
    ...(message.devDuplicates !== undefined && { devDuplicates: message.devDuplicates }),
    ...(message.onnx.length > 0 && { onnx: message.onnx.map(onnxOf) }),
  };
}

export const outcomeMessage = ({ metrics, artifacts }: TrainingOutcome): TrainingResult =>
  create(TrainingResultSchema, { metrics: metricsMessage(metrics), artifacts: artifacts.map(artifactMessage) });

export const outcomeOf = ({ metrics, artifacts }: TrainingResult): TrainingOutcome => ({
  metrics: metricsOf(present(metrics, 'metrics')),
  artifacts: artifacts.map(artifactOf),
});

/**
 * Converts a training's event; undefined for an interval, which is only for the process that runs
 * the engine.
 */
export function trainEventMessage(event: TrainEvent): TrainResponse | undefined {
  switch (event.kind) {
    case 'progress':
      return create(TrainResponseSchema, { event: { case: 'progress', value: progressMessage(event) } });
    case 'rate':
      return create(TrainResponseSchema, { event: { case: 'learningRate', value: rateMessage(event.rate) } });
    case 'epoch':
      return create(TrainResponseSchema, { event: { case: 'epoch', value: epochMessage(event.epoch) } });
    case 'checkpoint':
      return create(TrainResponseSchema, { event: { case: 'checkpoint', value: { step: event.step } } });
    case 'warning':
      return create(TrainResponseSchema, { event: { case: 'warning', value: event.message } });
    case 'interval':
      return undefined;
  }
}

/**
 * Converts a message to a training's event; undefined for its result and for events of later
 * versions.
 */
export function trainEventOf({ event }: TrainResponse): TrainEvent | undefined {
  switch (event.case) {
    case 'progress':
      return progressOf(event.value);
    case 'learningRate':
      return { kind: 'rate', rate: rateOf(event.value, 'learning_rate') };
    case 'epoch':
      return { kind: 'epoch', epoch: epochOf(event.value) };
    case 'checkpoint':
      return { kind: 'checkpoint', step: event.value.step };
    case 'warning':
      return { kind: 'warning', message: event.value };
    default:
      return undefined;
  }
}
