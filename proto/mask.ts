import { create } from '@bufbuild/protobuf';
import { invalidPart } from '../foundation/errors';
import type { ReportModel } from '../heads/head-report';
import { type Mask, type MaskHead, STRATEGIES, type Strategy, type Tune } from '../heads/mask';
import { parametersPerHead } from '../heads/select';
import { type Mask as MaskMessage, MaskSchema, type RankedHead } from './gen/hifi/v1/heads_pb';
import { present } from './matrix';

export function maskMessage({ schemaVersion: _version, heads, ...mask }: Mask): MaskMessage {
  return create(MaskSchema, { ...mask, heads: heads.map((head) => ({ ...head })) });
}

/**
 * Checks a mask against its model. Sorts the heads by layer, then head, and computes the counts. A
 * mask without a hash is taken as one of this model.
 *
 * @throws HifiError INVALID_INPUT for a head that the model lacks or that appears twice, a mask of
 *   another model, and an invalid k, budget, strategy or tune
 */
export function maskOf(message: MaskMessage | undefined, model: ReportModel, field = 'mask'): Mask {
  const given = present(message, field);
  const at = (part: string) => `${field}.${part}`;
  const { sha256 = '', name = '' } = given.model ?? {};
  if (sha256 !== '' && sha256 !== model.sha256) {
    throw invalidPart(
      at('model.sha256'),
      `${at('model.sha256')} is ${shortened(sha256)}; the model ${model.name} is ${shortened(model.sha256)}: make the mask from its own report`,
    );
  }
  const heads = headsOf(given.heads, model, at('heads'));
  const tune = oneOf<Tune>(given.tune ?? 'qkv', ['qkv', 'qkvo'], at('tune'));
  const trainableParameters = heads.length * parametersPerHead(model, tune);
  return {
    schemaVersion: 1,
    model: { name: name === '' ? model.name : name, sha256: model.sha256 },
    strategy: oneOf<Strategy>(given.strategy ?? 'hifi', STRATEGIES, at('strategy')),
    ...sizeOf(given, heads, model, at),
    tune,
    heads,
    trainableParameters,
    totalParameters: model.parameters,
    share: trainableParameters / model.parameters,
  };
}

function headsOf(given: readonly RankedHead[], { layers, heads }: ReportModel, field: string): MaskHead[] {
  const seen = new Map<string, number>();
  const chosen = given.map(({ layer, head, score = 0 }, i): MaskHead => {
    const at = `${field}[${i}]`;
    checkIndex(present(layer, `${at}.layer`), layers, `${at}.layer`, `the model has ${layers} layers`);
    checkIndex(present(head, `${at}.head`), heads, `${at}.head`, `a layer of the model has ${heads} heads`);
    if (!Number.isFinite(score))
      throw invalidPart(`${at}.score`, `${at}.score is ${score}; it must be a finite number`);
    const before = seen.get(`${layer}.${head}`);
    if (before !== undefined) {
      throw invalidPart(
        at,
        `${at} is layer ${layer}, head ${head}, which ${field}[${before}] was already; each must come once`,
      );
    }
    seen.set(`${layer}.${head}`, i);
    return { layer: layer!, head: head!, score };
  });
  return chosen.sort((a, b) => a.layer - b.layer || a.head - b.head);
}

function checkIndex(index: number, count: number, field: string, because: string): void {
  if (index < count) return;
  throw invalidPart(field, `${field} is ${index}; ${because}, so it must be 0 to ${count - 1}`);
}

/** Returns k or the budget; without either, the largest number of heads in one layer. */
function sizeOf(
  { k, budget }: MaskMessage,
  chosen: readonly MaskHead[],
  { heads }: ReportModel,
  at: (part: string) => string,
): Pick<Mask, 'k' | 'budget'> {
  if (k !== undefined && budget !== undefined) {
    throw invalidPart(at('budget'), `${at('budget')} is ${budget} and ${at('k')} is ${k}; give one of them`);
  }
  if (budget !== undefined) {
    if (budget > 0 && budget <= 1) return { budget };
    throw invalidPart(at('budget'), `${at('budget')} is ${budget}; it must be above 0, at most 1`);
  }
  if (k === undefined) {
    const perLayer = new Map<number, number>();
    for (const { layer } of chosen) perLayer.set(layer, (perLayer.get(layer) ?? 0) + 1);
    return { k: Math.max(0, ...perLayer.values()) };
  }
  if (k > heads)
    throw invalidPart(at('k'), `${at('k')} is ${k}; a layer has ${heads} heads, so it must be 0 to ${heads}`);
  return { k };
}

function oneOf<T extends string>(value: string, allowed: readonly T[], field: string): T {
  if ((allowed as readonly string[]).includes(value)) return value as T;
  throw invalidPart(field, `${field} is ${JSON.stringify(value)}; it must be one of ${allowed.join(', ')}`);
}

const shortened = (sha256: string) => (sha256.length > 16 ? `${sha256.slice(0, 12)}…` : JSON.stringify(sha256));
