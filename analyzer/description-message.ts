import { create } from '@bufbuild/protobuf';
import { parametersPerHead } from '../heads/select';
import { TUNES } from '../heads/tune';
import type { ModelDescription } from '../model/description';
import { type DescribeModelResponse, DescribeModelResponseSchema } from '../proto/gen/hifi/v1/analyzer_pb';
import { countedParameters } from '../proto/model';

/**
 * Converts a model's description to its message.
 *
 * @throws HifiError UNSUPPORTED if it is too large
 */
export function descriptionMessage(description: ModelDescription): DescribeModelResponse {
  return create(DescribeModelResponseSchema, {
    ...description,
    parameters: countedParameters(description),
    parametersPerHeadQkv: parametersPerHead(description, 'qkv'),
    parametersPerHeadQkvo: parametersPerHead(description, 'qkvo'),
    tunable: [...TUNES],
  });
}
