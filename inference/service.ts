import type { MessageInitShape } from '@bufbuild/protobuf';
import { invalidInput, invalidPart, shown, within } from '../foundation/errors';
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
import type { Classified, ClassifyRequest } from './classify-request';
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
      const folders: string[] = [];
      for (const [i, reference] of message.deltas.entries()) {
        folders.push(await within(`deltas[${i}]`, () => folderOf(parts, reference, signal)));
      }
      const request: ClassifyRequest = { model, deltas: folders, ...texts };
      return responseOf(message, await engine.classify(request, signal));
    },
  };
}

/** @throws RpcError RESOURCE_EXHAUSTED with a retry delay */
function admit(waiting: number): void {
  if (waiting < MOST_WAITING) return;
  const message = `the service is busy: ${waiting} texts wait for an answer; try again in 1 s`;
  throw new RpcError(status.RESOURCE_EXHAUSTED, 'BUSY', message, { retrySeconds: 1 });
}

function textsOf({ texts, secondTexts, maxLength }: ClassifyMessage): Omit<ClassifyRequest, 'model' | 'deltas'> {
  if (texts.length === 0) throw invalidPart('texts', 'texts is empty; it must have at least one text');
  if (secondTexts.length > 0 && secondTexts.length !== texts.length) {
    throw invalidPart('second_texts', `second_texts has ${secondTexts.length} texts; texts has ${texts.length}`);
  }
  if (maxLength === 0) throw invalidPart('max_length', 'max_length is 0; it must be 1 or more');
  return { texts, ...(secondTexts.length > 0 && { seconds: secondTexts }), ...(maxLength && { maxLength }) };
}

/** Folder of a delta. */
async function folderOf(
  { inputs, deltas, names }: Omit<InferenceParts, 'engine'>,
  { delta }: DeltaReference,
  signal: AbortSignal,
): Promise<string> {
  switch (delta.case) {
    case 'name':
      if (names) return await deltas.folder((await names.resolve(delta.value, signal)).files, signal);
      throw invalidPart('name', `name is ${shown(delta.value)}; the service knows no gateway: --gateway names one`);
    case 'artifact':
      return await deltas.folder(delta.value, signal);
    case 'path':
      return inputs.folder(delta.value, 'path');
    default:
      throw invalidInput('a delta must have name, artifact or path');
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
