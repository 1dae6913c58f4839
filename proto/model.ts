import { create } from '@bufbuild/protobuf';
import type { ReportModel } from '../heads/head-report';
import { type ModelIdentity, ModelIdentitySchema } from './gen/hifi/v1/heads_pb';
import { present } from './matrix';

/** Shape of a model; messages carry it beside the model's identity. */
export type ModelShape = Pick<ReportModel, 'layers' | 'heads' | 'headDim'>;

export function modelMessage({ name, sha256, architecture, hiddenSize, parameters }: ReportModel): ModelIdentity {
  return create(ModelIdentitySchema, { name, sha256, architecture, hiddenSize, parameters });
}

/** Converts a model's identity and shape. @throws HifiError INVALID_INPUT if a part is missing */
export function modelOf(message: ModelIdentity | undefined, shape: ModelShape, field: string): ReportModel {
  const { name, sha256, architecture, hiddenSize, parameters } = present(message, field);
  const { layers, heads, headDim } = shape;
  return {
    name,
    sha256,
    architecture: present(architecture, `${field}.architecture`),
    layers,
    heads,
    headDim,
    hiddenSize: present(hiddenSize, `${field}.hidden_size`),
    parameters: present(parameters, `${field}.parameters`),
  };
}
