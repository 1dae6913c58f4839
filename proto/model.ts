import { create } from '@bufbuild/protobuf';
import { invalidValue, unsupported } from '../foundation/errors';
import type { HeadParameters, LayerParameters, ReportModel } from '../heads/head-report';
import {
  type HeadParameters as HeadParametersMessage,
  type LayerParameters as LayerParametersMessage,
  type ModelIdentity,
  ModelIdentitySchema,
} from './gen/hifi/v1/heads_pb';
import { present } from './matrix';

/** Shape of a model; messages carry it beside the model's identity. */
export type ModelShape = Pick<ReportModel, 'layers' | 'heads' | 'headDim'>;

/** @throws HifiError UNSUPPORTED as {@link countedParameters} */
export function modelMessage(model: ReportModel): ModelIdentity {
  const { layers: _layers, heads: _heads, headDim: _headDim, ...identity } = model;
  return create(ModelIdentitySchema, { ...identity, parameters: countedParameters(model) });
}

/** Most parameters that a message can count. */
const MOST_PARAMETERS = 2 ** 32 - 1;

/**
 * Parameters of a model, for a message.
 *
 * @throws HifiError UNSUPPORTED if there are more than a message can count
 */
export function countedParameters({ name, parameters }: Pick<ReportModel, 'name' | 'parameters'>): number {
  if (parameters <= MOST_PARAMETERS) return parameters;
  throw unsupported(`${name} has ${parameters} parameters; the services take models of up to ${MOST_PARAMETERS}`);
}

/** Converts a model's identity and shape. @throws HifiError INVALID_INPUT if a part is missing */
export function modelOf(message: ModelIdentity | undefined, shape: ModelShape, field: string): ReportModel {
  const { name, sha256, architecture, hiddenSize, parameters, ...parts } = present(message, field);
  const { headParameters, layerParameters, neurons } = parts;
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
    ...(headParameters && { headParameters: headParametersOf(headParameters, `${field}.head_parameters`) }),
    ...(layerParameters && { layerParameters: layerParametersOf(layerParameters) }),
    ...(neurons && { neurons: { perLayer: neurons.perLayer, parameters: neurons.parameters } }),
  };
}

/** @throws HifiError INVALID_INPUT for a group of no heads */
function headParametersOf({ q, k, v, o, groupSize }: HeadParametersMessage, field: string): HeadParameters {
  if (groupSize >= 1) return { q, k, v, o, groupSize };
  throw invalidValue({ field: `${field}.group_size`, value: String(groupSize), expected: 'at least 1' });
}

const layerParametersOf = ({ matrices, projections }: LayerParametersMessage): LayerParameters => ({
  matrices,
  projections,
});
