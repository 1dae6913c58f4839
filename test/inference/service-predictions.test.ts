import * as fs from 'node:fs';
import * as path from 'node:path';
import type { DataSource } from '../../data/dataset';
import type { DataFormat } from '../../data/format';
import { writeDelta } from '../../delta/delta';
import type { PredictEvent, Prediction } from '../../delta/inference-options';
import type { StoredProblem } from '../../delta/problems';
import * as library from '../../index';
import { ClassifyEngine } from '../../inference/classify-engine';
import { OpenedDeltas } from '../../inference/opened-deltas';
import { inferenceService } from '../../inference/service';
import { predictAtService } from '../../inference/service-predictions';
import { FolderArtifacts } from '../../infra/artifacts/folder-store';
import { Inputs } from '../../infra/artifacts/inputs';
import { GrpcServer } from '../../infra/grpc/server';
import { loadTensorFlow } from '../../infra/tensorflow';
import { openCheckpoint } from '../../model/checkpoint';
import { InferenceService } from '../../proto/gen/hifi/v1/inference_pb';
import { predict } from '../../trainer/inference';
import { FIXTURES, randomDelta, temporaryFolder } from '../support/deltas';
import { asConll, asJsonLines, entityRows } from '../support/entity-rows';

/*
 * Rows of every problem at a running service, whose answers must be those of the trainer's engine.
 */
const folder = temporaryFolder('service-predictions');
const at = (...parts: string[]) => path.join(folder, ...parts);
const tf = loadTensorFlow('cpu');
const base = path.join(FIXTURES, 'tiny-bert');
const token = 'a token';
const engine = new ClassifyEngine();
const server = new GrpcServer({ host: '127.0.0.1', port: 0, guard: { tokens: [{ role: 'infer', token }] } });
let analyzer = '';

const SENTENCES = [...entityRows(9, 3).map(({ tokens }) => tokens.join(' ')), 'Oslo', '', 'word '.repeat(150)];
const PAIRS = SENTENCES.map((text, i) => ({ text, second: SENTENCES.at(-i)! }));

interface Case {
  problemType: StoredProblem;
  labels?: string[];
  thresholds?: number[];
  /** Content of the rows' file. */
  rows: string;
  data: Omit<DataSource, 'path'>;
}

const TAGS = ['B-LOC', 'B-PER', 'I-LOC', 'I-PER', 'O'];
const jsonl = (textColumns: string[]): Case['data'] => ({ format: 'jsonl' as DataFormat, textColumns });
const texts = asJsonLines(SENTENCES.map((text) => ({ text })));
const CASES: Record<string, Case> = {
  'single-label': {
    problemType: 'single_label_classification',
    labels: ['no', 'unsure', 'yes'],
    rows: texts,
    data: jsonl(['text']),
  },
  'multi-label': {
    problemType: 'multi_label_classification',
    labels: ['anger', 'fear', 'joy'],
    thresholds: [0.2, 0.6, 0.5],
    rows: texts,
    data: { ...jsonl(['text']), problem: 'multi-label', labelColumns: ['anger', 'fear', 'joy'] },
  },
  regression: { problemType: 'regression', rows: texts, data: jsonl(['text']) },
  relevance: { problemType: 'relevance', rows: asJsonLines(PAIRS), data: jsonl(['text', 'second']) },
  words: {
    problemType: 'token_classification',
    labels: TAGS,
    rows: asConll(entityRows(9, 5)),
    data: { format: 'conll' },
  },
  'lists and texts': {
    problemType: 'token_classification',
    labels: TAGS,
    rows: asJsonLines([{ text: ['New York', 'met'] }, { text: 'Eve met Hal.' }, { text: [] }]),
    data: jsonl(['text']),
  },
};

beforeAll(async () => {
  const checkpoint = await openCheckpoint(base);
  for (const [name, { problemType, labels, thresholds, rows }] of Object.entries(CASES)) {
    const delta = randomDelta(checkpoint, { heads: [[1, 3], [0]], problemType, ...(labels && { labels }), scale: 0.3 });
    writeDelta(at('deltas', name), { ...delta, info: { ...delta.info, ...(thresholds && { thresholds }) } });
    fs.writeFileSync(at(`${name}.rows`), rows);
  }
  checkpoint.close();
  const inputs = new Inputs({
    store: new FolderArtifacts(at('store')),
    dataRoots: [FIXTURES, at('deltas')],
    scratch: at('scratch'),
  });
  server.add(
    InferenceService,
    inferenceService({ engine, inputs, deltas: new OpenedDeltas(inputs), names: undefined }),
  );
  analyzer = `127.0.0.1:${await server.start()}`;
});
afterAll(async () => {
  await server.drain(0);
  await engine.close();
  fs.rmSync(folder, { recursive: true });
});

const sourceOf = (name: string): DataSource => ({ path: at(`${name}.rows`), ...CASES[name].data });

/** Predictions and warnings of a stream. */
async function read(events: AsyncIterable<PredictEvent>) {
  const read = { rows: [] as Prediction[], warnings: [] as string[] };
  for await (const event of events) {
    if (event.kind === 'rows') read.rows.push(...event.rows);
    if (event.kind === 'warning') read.warnings.push(event.message);
  }
  return read;
}

const request = (name: string, more: object = {}) => ({
  analyzer,
  credentials: { token },
  model: base,
  delta: at('deltas', name),
  data: sourceOf(name),
  batchSize: 2,
  ...more,
});

test.each(Object.keys(CASES))('%s: the same rows and warnings as of a local engine', async (name) => {
  const delta = at('deltas', name);
  const options = { batchSize: 4, maxLength: 128, device: 'cpu' as const };
  const [there, here] = [
    await read(predictAtService(request(name))),
    await read(predict(tf, { model: base, delta, data: sourceOf(name), options })),
  ];
  expect(there.warnings).toEqual(here.warnings);
  expect(there.rows).toEqual(here.rows.map(near));
});

/** Row whose numbers may differ by less than 5e-6. */
const near = (row: Prediction): unknown =>
  JSON.parse(JSON.stringify(row), (_, value) =>
    typeof value === 'number' && !Number.isInteger(value) ? expect.closeTo(value, 5) : value,
  );

test.each<[what: string, name: string, more: object, error: { message: RegExp; field?: string }]>([
  ['one text for pairs', 'relevance', { data: sourceOf('regression') }, { message: /needs pairs; give two text/ }],
  ['words for a model of texts', 'regression', { data: sourceOf('words') }, { message: /classifies whole texts/ }],
  [
    'a delta that the service does not see',
    'regression',
    { delta: '/nowhere/delta' },
    {
      field: 'delta',
      message:
        /^delta \/nowhere\/delta: the service has no such folder; it must be a registered name, or a folder below one of the service's data roots$/,
    },
  ],
  ['a model that it does not see', 'regression', { model: './none' }, { field: 'model', message: /data roots/ }],
  ['a wrong token', 'regression', { credentials: { token: 'none' } }, { message: /no valid token/ }],
])('%s is bad input', async (_, name, more, { message, ...error }) => {
  await expect(read(predictAtService(request(name, more)))).rejects.toMatchObject({
    ...error,
    code: 'INVALID_INPUT',
    message: expect.stringMatching(message),
  });
});

test('a service that is not there fails in one line; an abort is CANCELLED', async () => {
  await expect(read(predictAtService(request('regression', { analyzer: '127.0.0.1:1' })))).rejects.toMatchObject({
    code: 'FAILED',
    message: '127.0.0.1:1 cannot be reached (ECONNREFUSED): hifi serve analyzer starts an analyzer',
  });
  await expect(read(predictAtService(request('regression'), AbortSignal.abort()))).rejects.toMatchObject({
    code: 'CANCELLED',
  });
});

test("the library's predict asks a running service", async () => {
  const asked = { analyzer, credentials: { token }, model: base, delta: at('deltas', 'single-label') };
  const texts = SENTENCES.slice(0, 3);
  const predicted = await library.predict({ ...asked, data: { texts }, options: { batchSize: 2 } });
  const { rows } = await read(predictAtService(request('single-label')));
  expect(predicted).toEqual(rows.slice(0, 3));
  const local = library.predict({ ...asked, data: { texts }, options: { threads: 1 } });
  await expect(local).rejects.toThrow('options.threads is 1; it must be left out: the service chooses how it computes');
  const here = library.predict({ ...asked, analyzer: 'here', data: { texts } });
  await expect(here).rejects.toThrow('analyzer is "here"; it must be HOST:PORT, such as 127.0.0.1:7071');
});
