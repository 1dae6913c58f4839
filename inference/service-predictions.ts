import * as fs from 'node:fs';
import * as path from 'node:path';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { type DataSource, type Dataset, rowNumber } from '../data/dataset';
import { problemNamed } from '../data/problem';
import { readDataset } from '../data/read';
import type { TaskName } from '../data/tasks';
import { emptyTexts, needsPairs } from '../delta/inference';
import type { PredictEvent, Prediction } from '../delta/inference-options';
import { PROBLEMS } from '../delta/problems';
import { deltaTrainedAs, modelTrainedAs } from '../delta/trained-as';
import { cancelled, failed, invalidPart, within } from '../foundation/errors';
import { StageMeter } from '../foundation/progress';
import { GrpcClient } from '../infra/grpc/client';
import type { Credentials } from '../infra/grpc/credentials';
import { patiently } from '../infra/grpc/patiently';
import { entityOf } from '../proto/entity';
import {
  type ClassifyRequestSchema,
  type DeltaAnswers,
  type DeltaReferenceSchema,
  InferenceService,
  type TextAnswer,
} from '../proto/gen/hifi/v1/inference_pb';
import { hifiErrorOf, RpcError } from '../proto/status';

/** Rows to predict with a model of a running service. */
export interface ServiceRequest {
  /** Address of the analyzer, `HOST:PORT`. */
  analyzer: string;
  credentials?: Credentials;
  /** Model as the service names it: a name, or a folder below one of its data roots. */
  model: string;
  /**
   * Delta: NAME, NAME@ALIAS or NAME:VERSION of the registry, or a folder that the service reads.
   * Absent for a tuned model.
   */
  delta?: string;
  data: DataSource;
  /** Number of tokens to which a row is truncated. Default: that of the model's training. */
  maxLength?: number;
  /** Number of rows per call. */
  batchSize: number;
}

/** Calls that are open at once: while one is answered, the next is on its way. */
const CALLS = 4;

/**
 * Predicts each row with a model of a running service, as `predictModel` does with a local one. A
 * busy service is called again after the pause that it asks for. All rows get the version of a name
 * that answers the first call.
 *
 * @throws HifiError INVALID_INPUT for invalid rows, or what the service refuses; NOT_FOUND for an
 *   unknown name; FAILED if the service fails or cannot be reached; CANCELLED
 */
export async function* predictAtService(request: ServiceRequest, signal?: AbortSignal): AsyncGenerator<PredictEvent> {
  const { analyzer, credentials, data, batchSize } = request;
  const dataset = await within('data', () => readDataset(withWords(data), 'empty texts'));
  for (const message of emptyTexts(dataset)) yield { kind: 'warning', message };
  const client = new GrpcClient(analyzer, credentials);
  const left = new AbortController();
  const calling = signal ? AbortSignal.any([signal, left.signal]) : left.signal;
  const meter = new StageMeter('evaluate', dataset.rows, 'rows');
  const open: Promise<Called>[] = [];
  let { delta } = request;
  let done = 0;
  try {
    for (let from = 0; done < dataset.rows; ) {
      while (open.length < (done === 0 ? 1 : CALLS) && from < dataset.rows) {
        const call = rowsFrom(client, { ...request, delta }, dataset, from, calling);
        call.catch(() => {}); // awaited below
        open.push(call);
        from += batchSize;
      }
      const { rows, version } = await open.shift()!;
      if (version !== undefined) delta = `${delta?.split(/[@:]/)[0]}:${version}`;
      done += rows.length;
      yield* meter.due(done);
      yield { kind: 'rows', rows };
    }
  } catch (thrown) {
    if (signal?.aborted) throw cancelled();
    throw thrown instanceof RpcError ? refusedAs(request, thrown) : thrown;
  } finally {
    left.abort();
    await Promise.allSettled(open);
    client.close();
  }
}

/** Source without its labels, whose rows are read with their words if they can have any. */
function withWords({ labelColumn, labelColumns, labelSeparator, regression, ...data }: DataSource): DataSource {
  const isPair = (data.textColumns ?? []).length > 1;
  return { ...data, problem: data.task !== undefined || isPair ? undefined : 'tokens' };
}

/** Answer to one call. */
interface Called {
  rows: Prediction[];
  /** Version of the delta, if it has a registered name. */
  version?: number;
}

/** Predicts the rows of one call, from the dataset's row `from` on. */
async function rowsFrom(
  client: GrpcClient,
  { model, delta, maxLength, batchSize }: ServiceRequest,
  { texts, seconds, words, ...dataset }: Dataset,
  from: number,
  signal: AbortSignal,
): Promise<Called> {
  const to = Math.min(from + batchSize, dataset.rows);
  const given = words?.slice(from, to);
  const asked: MessageInitShape<typeof ClassifyRequestSchema> = {
    model: fs.existsSync(model) ? path.resolve(model) : model,
    ...(delta !== undefined && { deltas: [{ delta: deltaReference(delta) }] }),
    texts: texts.slice(from, to),
    ...(seconds && { secondTexts: seconds.slice(from, to) }),
    ...(given?.some((each) => each !== undefined) && { words: given.map((each = []) => ({ words: [...each] })) }),
    ...(maxLength !== undefined && { maxLength }),
  };
  const { classify } = InferenceService.method;
  const { results } = await patiently(() => client.unary(classify, asked, { signal }), signal);
  const [answers] = results;
  if (answers?.rows.length !== to - from) {
    throw failed(`the service answered ${answers?.rows.length ?? 0} of ${to - from} texts`);
  }
  const rows = answers.rows.map((answer, i) => {
    const row = { text: texts[from + i], words: words?.[from + i] };
    return { row: rowNumber({ texts, ...dataset }, from + i), ...predictionOf(answers, answer, row) };
  });
  return { rows, version: answers.version };
}

/** Prediction of a row, from the logits of the service or, of words, from its answer. */
function predictionOf(
  { problem: named, labelNames, thresholds }: DeltaAnswers,
  { logits, tags, entities }: TextAnswer,
  row: { text: string; words?: readonly string[] },
): Omit<Prediction, 'row'> {
  const problem = problemNamed(named);
  if (problem === 'tokens') {
    const found = row.words
      ? { tags: [...tags] }
      : { entities: entities.map((each, i) => entityOf(each, `entities[${i}]`)) };
    return { ...found, logits: [] };
  }
  const labels = { problem, names: labelNames, ...(thresholds.length > 0 && { thresholds }) };
  return { ...PROBLEMS[problem].answer(Float32Array.from(logits), labels, row), logits: [...logits] };
}

/**
 * Reference to a delta. What exists on this machine is a folder, and so is what has a slash; all
 * else is a name.
 */
function deltaReference(given: string): NonNullable<MessageInitShape<typeof DeltaReferenceSchema>['delta']> {
  if (fs.existsSync(given)) return { case: 'path', value: path.resolve(given) };
  return { case: /^[.~]|\//.test(given) ? 'path' : 'name', value: given };
}

/**
 * Task whose columns the rows of a model have, as far as its files are on this machine.
 *
 * @throws HifiError INVALID_INPUT for a damaged delta.json
 */
export function taskOf(model: string, delta: string | undefined): TaskName | undefined {
  if (delta !== undefined) return deltaTrainedAs(delta).task;
  return fs.existsSync(model) ? modelTrainedAs(model).task : undefined;
}

/** Converts a service's error to one of the request. */
function refusedAs({ delta, data }: ServiceRequest, error: RpcError): Error {
  const refused = hifiErrorOf(error);
  if (error.details.unreachable) return failed(`${refused.message}: hifi serve analyzer starts an analyzer`, error);
  const { field = '' } = error.details.violations?.[0] ?? {};
  if (/^second_texts/.test(field)) return needsPairs(data);
  if (/^(texts|words)/.test(field)) return invalidPart('data', `${data.path}: ${refused.message}`, error);
  if (/^deltas/.test(field)) {
    // The service's message shows the end of the path alone.
    const isPath = /^path /.test(refused.message);
    const found = isPath ? 'the service has no such folder' : refused.message;
    const right = "it must be a registered name, or a folder below one of the service's data roots";
    return invalidPart('delta', `delta ${delta}: ${found}; ${right}`, error);
  }
  if (refused.code === 'INVALID_INPUT') refused.field = FIELDS[field];
  return refused;
}

/** Parts of the request by the service's names. */
const FIELDS: Readonly<Record<string, string>> = { model: 'model', max_length: 'options.maxLength' };
