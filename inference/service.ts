import type { MessageInitShape } from '@bufbuild/protobuf';
import { invalidPart, shown, within } from '../foundation/errors';
import type { Inputs, Opened } from '../infra/artifacts/inputs';
import type { Implementation } from '../infra/grpc/handlers';
import type {
  ClassifyRequest as ClassifyMessage,
  ClassifyResponseSchema,
  DeltaReference,
  InferenceService,
} from '../proto/gen/hifi/v1/inference_pb';
import type { ClassifyEngine } from './classify-engine';
import type { Classified, ClassifyRequest } from './classify-request';
import type { DeltaNames } from './delta-names';

/** Dependencies of the service. */
export interface InferenceParts {
  engine: Pick<ClassifyEngine, 'classify'>;
  inputs: Inputs;
  /** Resolves registered names; undefined if the service knows no gateway. */
  names: Pick<DeltaNames, 'resolve'> | undefined;
}

/** Implements `hifi/v1/inference.proto`. */
export function inferenceService({ engine, ...parts }: InferenceParts): Implementation<typeof InferenceService> {
  return {
    async classify(message, { signal }) {
      const texts = textsOf(message);
      if (message.deltas.length === 0) throw invalidPart('deltas', 'deltas is empty; it must have at least one delta');
      const base = await parts.inputs.model(message.model, { signal });
      const opened: Opened<string>[] = [];
      try {
        for (const [i, reference] of message.deltas.entries()) {
          opened.push(await within(`deltas[${i}]`, () => openDelta(parts, reference, `deltas[${i}]`, signal)));
        }
        const request: ClassifyRequest = { base, deltas: opened.map(({ what }) => what), ...texts };
        const answers = await engine.classify(request, signal);
        return responseOf(message, answers);
      } finally {
        for (const each of opened) await each.release();
      }
    },
  };
}

function textsOf({ texts, secondTexts, maxLength }: ClassifyMessage): Omit<ClassifyRequest, 'base' | 'deltas'> {
  if (texts.length === 0) throw invalidPart('texts', 'texts is empty; it must have at least one text');
  if (secondTexts.length > 0 && secondTexts.length !== texts.length) {
    throw invalidPart('second_texts', `second_texts has ${secondTexts.length} texts; texts has ${texts.length}`);
  }
  if (maxLength === 0) throw invalidPart('max_length', 'max_length is 0; it must be 1 or more');
  return { texts, ...(secondTexts.length > 0 && { seconds: secondTexts }), ...(maxLength && { maxLength }) };
}

/** Folder of a delta. */
async function openDelta(
  { inputs, names }: Pick<InferenceParts, 'inputs' | 'names'>,
  { delta }: DeltaReference,
  field: string,
  signal: AbortSignal,
): Promise<Opened<string>> {
  switch (delta.case) {
    case 'artifact':
      return await inputs.delta(delta.value, signal);
    case 'path':
      return { what: await inputs.model(delta.value, { signal }), release: async () => {} };
    case 'name': {
      const unknown = `${field}.name is ${shown(delta.value)}; this service knows no gateway: --gateway HOST:PORT names it`;
      if (!names) throw invalidPart('name', unknown);
      return await inputs.delta((await names.resolve(delta.value, signal)).files, signal);
    }
    default:
      throw invalidPart(field, `${field} must have name, artifact or path`);
  }
}

function responseOf(
  { deltas, top = 1 }: ClassifyMessage,
  answers: readonly Classified[][],
): MessageInitShape<typeof ClassifyResponseSchema> {
  return {
    results: answers.map((rows, i) => ({
      delta: deltas[i],
      rows: rows.map(({ labels, ...row }) => ({ ...row, labels: top === 0 ? labels : labels.slice(0, top) })),
    })),
  };
}
