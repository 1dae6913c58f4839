import { create } from '@bufbuild/protobuf';
import type { TrainingCost } from '../delta/training-cost';
import type { AnalysisCost } from '../heads/analysis-cost';
import { type AnalysisCost as AnalysisCostMessage, AnalysisCostSchema } from './gen/hifi/v1/analyzer_pb';
import { type TrainingCost as TrainingCostMessage, TrainingCostSchema } from './gen/hifi/v1/trainer_pb';
import { present } from './matrix';

export const analysisCostMessage = ({ sequences, measured, seconds, peakBytes }: AnalysisCost): AnalysisCostMessage =>
  create(AnalysisCostSchema, {
    sequences,
    measuredSequences: measured,
    seconds,
    peakMemoryBytes: BigInt(peakBytes),
  });

export const analysisCostOf = (message: AnalysisCostMessage): AnalysisCost => ({
  sequences: message.sequences,
  measured: message.measuredSequences,
  seconds: message.seconds,
  peakBytes: Number(message.peakMemoryBytes),
});

export const trainingCostMessage = ({
  deltaBytes,
  rows,
  seconds,
  peakBytes,
  ...numbers
}: TrainingCost): TrainingCostMessage =>
  create(TrainingCostSchema, {
    ...numbers,
    deltaBytes: BigInt(deltaBytes),
    trainRows: rows.train,
    devRows: rows.dev,
    seconds: { ...seconds },
    peakMemoryBytes: BigInt(peakBytes),
  });

/** Reads a cost. @throws HifiError INVALID_INPUT if a part is missing */
export function trainingCostOf(message: TrainingCostMessage): TrainingCost {
  const { scoring, preparation, steps, evaluation } = present(message.seconds, 'cost.seconds');
  return {
    heads: present(message.heads, 'cost.heads'),
    trainableParameters: present(message.trainableParameters, 'cost.trainable_parameters'),
    taskHeadParameters: message.taskHeadParameters,
    totalParameters: message.totalParameters,
    deltaBytes: Number(message.deltaBytes),
    rows: { train: message.trainRows, dev: message.devRows },
    steps: message.steps,
    seconds: { ...(scoring !== undefined && { scoring }), preparation, steps, evaluation },
    peakBytes: Number(message.peakMemoryBytes),
  };
}
