import { create } from '@bufbuild/protobuf';
import type { JobEstimate } from '../job/estimate';
import { type EstimateJobResponse, EstimateJobResponseSchema } from '../proto/gen/hifi/v1/gateway_pb';

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
