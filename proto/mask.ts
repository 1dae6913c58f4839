import { create } from '@bufbuild/protobuf';
import { invalidValue, shown } from '../foundation/errors';
import type { ReportModel } from '../heads/head-report';
import { checkedMask, type Mask, type MaskHead, type MaskNeuron, STRATEGIES, type Strategy } from '../heads/mask';
import { SELECTION_DEFAULTS, trainedParameters } from '../heads/select';
import { TUNE_RULE, type Tune, tuneOf } from '../heads/tune';
import { type Mask as MaskMessage, MaskSchema } from './gen/hifi/v1/heads_pb';
import { present } from './matrix';

export function maskMessage({ schemaVersion: _version, heads, neurons = [], ...mask }: Mask): MaskMessage {
  return create(MaskSchema, {
    ...mask,
    heads: heads.map((head) => ({ ...head })),
    neurons: neurons.map((neuron) => ({ ...neuron })),
  });
}

/**
 * Checks a mask against its model. Sorts heads and neurons by layer and number, and computes the
 * counts. A mask without a hash is taken as one of this model.
 *
 * @throws HifiError INVALID_INPUT for a head that the model lacks or that appears twice, a mask of
 *   another model, and an invalid k, budget, strategy or tune
 */
export function maskOf(message: MaskMessage | undefined, model: ReportModel, field = 'mask'): Mask {
  const given = present(message, field);
  const at = (part: string) => `${field}.${part}`;
  const { sha256 = '', name = '' } = given.model ?? {};
  const heads = given.heads.map(
    ({ layer, head, score = 0 }, i): MaskHead => ({
      layer: present(layer, `${at('heads')}[${i}].layer`),
      head: present(head, `${at('heads')}[${i}].head`),
      score,
    }),
  );
  const tune = tuneAt(given.tune ?? SELECTION_DEFAULTS.tune, at('tune'));
  const neurons = given.neurons.map(
    ({ layer, index, score = 0 }, i): MaskNeuron => ({
      layer: present(layer, `${at('neurons')}[${i}].layer`),
      index: present(index, `${at('neurons')}[${i}].index`),
      score,
    }),
  );
  const trainableParameters = trainedParameters(model, { heads, neurons, tune });
  const mask: Mask = {
    schemaVersion: 1,
    model: { name: name || model.name, sha256: sha256 || model.sha256 },
    strategy: oneOf<Strategy>(given.strategy ?? 'hifi', STRATEGIES, at('strategy')),
    ...sizeOf(given, tune === 'neurons' ? neurons : heads),
    tune,
    heads,
    ...((tune === 'neurons' || neurons.length > 0) && { neurons }),
    trainableParameters,
    totalParameters: model.parameters,
    share: trainableParameters / model.parameters,
  };
  return checkedMask(mask, model, field);
}

/** Returns k and the budget; without either, the largest number of heads or neurons in a layer. */
function sizeOf({ k, budget }: MaskMessage, chosen: readonly Pick<MaskHead, 'layer'>[]): Pick<Mask, 'k' | 'budget'> {
  if (k !== undefined || budget !== undefined) {
    return { ...(k !== undefined && { k }), ...(budget !== undefined && { budget }) };
  }
  const perLayer = new Map<number, number>();
  for (const { layer } of chosen) perLayer.set(layer, (perLayer.get(layer) ?? 0) + 1);
  return { k: Math.max(0, ...perLayer.values()) };
}

/** Reads letters of qkvo. @throws HifiError INVALID_INPUT for any other text */
function tuneAt(text: string, field: string): Tune {
  const tune = tuneOf(text);
  if (tune !== undefined) return tune;
  throw invalidValue({ field, value: shown(text), expected: TUNE_RULE });
}

function oneOf<T extends string>(value: string, allowed: readonly T[], field: string): T {
  if ((allowed as readonly string[]).includes(value)) return value as T;
  throw invalidValue({ field, value: shown(value), expected: `one of ${allowed.join(', ')}` });
}
