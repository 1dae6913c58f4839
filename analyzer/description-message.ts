import { create } from '@bufbuild/protobuf';
import { parametersPerHead } from '../heads/select';
import type { ModelDescription } from '../model/description';
import { type DescribeModelResponse, DescribeModelResponseSchema } from '../proto/gen/hifi/v1/analyzer_pb';

const TUNABLE = ['qkv', 'qkvo'] as const;

/** Converts a model's description to its message. */
export function descriptionMessage(description: ModelDescription): DescribeModelResponse {
  const [parametersPerHeadQkv, parametersPerHeadQkvo] = TUNABLE.map((tune) => parametersPerHead(description, tune));
  return create(DescribeModelResponseSchema, {
    ...description,
    parametersPerHeadQkv,
    parametersPerHeadQkvo,
    tunable: [...TUNABLE],
  });
}
