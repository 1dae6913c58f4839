import type { MessageInitShape } from '@bufbuild/protobuf';
import { DEFAULT_THRESHOLD, type LabelSet } from '../data/problem';
import { HifiError, invalidInput, invalidPart, shown, within } from '../foundation/errors';
import type { Inputs } from '../infra/artifacts/inputs';
import type { Implementation } from '../infra/grpc/handlers';
import type {
  ClassifyRequest as ClassifyMessage,
  ClassifyResponseSchema,
  DeltaReference,
  InferenceService,
} from '../proto/gen/hifi/v1/inference_pb';
import { RpcError, status } from '../proto/status';
import type { ClassifyEngine } from './classify-engine';
import type { ClassifyRequest, HeadAnswers } from './classify-request';
import type { DeltaNames } from './delta-names';
import type { OpenedDeltas } from './opened-deltas';

/** Most texts that may wait for an answer. */
const MOST_WAITING = 8192;

/** Dependencies of the service. */
export interface InferenceParts {
  engine: Pick<ClassifyEngine, 'classify' | 'waitingTexts'>;
  inputs: Inputs;
  deltas: OpenedDeltas;
  /** Resolves registered names; undefined if the service knows no gateway. */
  names: Pick<DeltaNames, 'resolve'> | undefined;
}

/** Implements `hifi/v1/inference.proto`. */
export function inferenceService({ engine, ...parts }: InferenceParts): Implementation<typeof InferenceService> {
  return {
    async classify(message, { signal }) {
      const texts = textsOf(message);
      admit(engine.waitingTexts);
      const model = await parts.inputs.model(message.model, { signal });
      const found: FoundDelta[] = [];
      for (const [i, reference] of message.deltas.entries()) {
        found.push(await within(`deltas[${i}]`, () => deltaOf(parts, reference, signal)));
      }
      const request: ClassifyRequest = { model, deltas: found.map(({ folder }) => folder), ...texts };
      try {
        return responseOf(message, found, await engine.classify(request, signal));
      } catch (thrown) {
        throw ofReference(thrown, message.deltas);
      }
    },
  };
}

/** @throws RpcError RESOURCE_EXHAUSTED with a retry delay */
function admit(waiting: number): void {
  if (waiting < MOST_WAITING) return;
  const message = `the service is busy: ${waiting} texts wait for an answer; try again in 1 s`;
  throw new RpcError(status.RESOURCE_EXHAUSTED, 'BUSY', message, { retrySeconds: 1 });
}

function textsOf({ texts, secondTexts, words, maxLength }: ClassifyMessage): Omit<ClassifyRequest, 'model' | 'deltas'> {
  if (texts.length === 0) throw invalidPart('texts', 'texts is empty; it must have at least one text');
  if (secondTexts.length > 0 && secondTexts.length !== texts.length) {
    throw invalidPart('second_texts', `second_texts has ${secondTexts.length} texts; texts has ${texts.length}`);
  }
  if (words.length > 0 && words.length !== texts.length) {
    throw invalidPart('words', `words has ${words.length} entries; texts has ${texts.length}`);
  }
  if (maxLength === 0) throw invalidPart('max_length', 'max_length is 0; it must be 1 or more');
  return {
    texts,
    ...(secondTexts.length > 0 && { seconds: secondTexts }),
    ...(words.length > 0 && { words: words.map(({ words }) => (words.length > 0 ? words : undefined)) }),
    ...(maxLength && { maxLength }),
  };
}

/** Delta that a request names. */
interface FoundDelta {
  folder: string;
  /** Version of a registered name. */
  version?: number;
}

async function deltaOf(
  { inputs, deltas, names }: Omit<InferenceParts, 'engine'>,
  { delta }: DeltaReference,
  signal: AbortSignal,
): Promise<FoundDelta> {
  switch (delta.case) {
    case 'name': {
      if (!names) {
        throw invalidPart('name', `name is ${shown(delta.value)}; the service knows no gateway: --gateway names one`);
      }
      const { files, version } = await names.resolve(delta.value, signal);
      return { folder: await deltas.folder(files, signal), version };
    }
    case 'artifact':
      return { folder: await within('artifact', () => deltas.folder(delta.value, signal)) };
    case 'path':
      return { folder: inputs.folder(delta.value, 'path') };
    default:
      throw invalidInput('a delta must have name, artifact or path');
  }
}

/** Renames an engine error's field from a delta to the field by which the request names it. */
function ofReference(thrown: unknown, deltas: readonly DeltaReference[]): unknown {
  if (!(thrown instanceof HifiError)) return thrown;
  const [at, i] = /^deltas\[(\d+)\]$/.exec(thrown.field ?? '') ?? [];
  if (at !== undefined) thrown.field = `${at}.${deltas[Number(i)].delta.case}`;
  return thrown;
}

function responseOf(
  { deltas, top = 1 }: ClassifyMessage,
  found: readonly FoundDelta[],
  answers: readonly HeadAnswers[],
): MessageInitShape<typeof ClassifyResponseSchema> {
  return {
    results: answers.map(({ labels, rows }, i) => ({
      delta: deltas[i],
      version: found[i]?.version,
      problem: labels.problem,
      labelNames: [...labels.names],
      thresholds: thresholdsOf(labels),
      rows: rows.map(({ labels, ...row }) => ({ ...row, labels: top === 0 ? labels : labels.slice(0, top) })),
    })),
  };
}

/** Thresholds of a multi-label model; none of others. */
const thresholdsOf = ({ problem, names, thresholds }: LabelSet) =>
  problem === 'multi-label' ? names.map((_, label) => thresholds?.[label] ?? DEFAULT_THRESHOLD) : [];
