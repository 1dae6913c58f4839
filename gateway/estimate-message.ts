import { create } from '@bufbuild/protobuf';
import { failed } from '../foundation/errors';
import type { JobEstimate } from '../job/estimate';
import {
  type EstimatedSeconds,
  type EstimateJobResponse,
  EstimateJobResponseSchema,
} from '../proto/gen/hifi/v1/gateway_pb';

export const estimateMessage = ({
  rows,
  deltaBytes,
  peakMemoryBytes,
  seconds,
  ...numbers
}: JobEstimate): EstimateJobResponse =>
  create(EstimateJobResponseSchema, {
    ...numbers,
    deltaBytes: BigInt(deltaBytes),
    peakMemoryBytes: BigInt(peakMemoryBytes),
    seconds: { ...seconds },
    trainRows: rows.train,
    devRows: rows.dev,
  });

/** Reads a gateway's estimate. @throws HifiError FAILED if a field is missing */
export function estimateOfMessage(message: EstimateJobResponse): JobEstimate {
  const { heads, trainableParameters, share, seconds } = message;
  if (heads === undefined || trainableParameters === undefined || share === undefined || !seconds) {
    throw failed('the gateway returned an incomplete estimate');
  }
  return {
    ...{ heads, trainableParameters, share },
    taskHeadParameters: message.taskHeadParameters,
    totalParameters: message.totalParameters,
    deltaBytes: Number(message.deltaBytes),
    peakMemoryBytes: Number(message.peakMemoryBytes),
    seconds: secondsOf(seconds),
    steps: message.steps,
    rows: { train: message.trainRows, dev: message.devRows },
  };
}

function secondsOf({ analysis, scoring, training, evaluation, export: written, total }: EstimatedSeconds) {
  return { analysis, ...(scoring !== undefined && { scoring }), training, evaluation, export: written, total };
}
