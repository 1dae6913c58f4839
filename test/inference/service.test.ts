import * as fs from 'node:fs';
import * as path from 'node:path';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { exportCheckpoint } from '../../delta/checkpoint-export';
import { readDelta, writeDelta } from '../../delta/delta';
import { ClassifyEngine } from '../../inference/classify-engine';
import { OpenedDeltas } from '../../inference/opened-deltas';
import { inferenceService } from '../../inference/service';
import { FolderArtifacts } from '../../infra/artifacts/folder-store';
import { Inputs } from '../../infra/artifacts/inputs';
import { GrpcClient } from '../../infra/grpc/client';
import { GrpcServer } from '../../infra/grpc/server';
import { openCheckpoint } from '../../model/checkpoint';
import {
  type ClassifyRequestSchema,
  type ClassifyResponse,
  InferenceService,
} from '../../proto/gen/hifi/v1/inference_pb';
import { type RpcError, status } from '../../proto/status';
import { type DeltaShape, FIXTURES, randomDelta, temporaryFolder } from '../support/deltas';
import { until } from '../support/until';

type Request = MessageInitShape<typeof ClassifyRequestSchema>;

const HEADS = [[0], [1, 2]];
const SHAPES: Record<string, DeltaShape> = {
  polarity: { heads: HEADS, labels: ['bad', 'good'] },
  topics: { heads: [[], [0]], labels: ['a', 'b', 'c'], problemType: 'multi_label_classification' },
  stars: { heads: HEADS, tune: 'qkvo' },
  answers: { heads: HEADS, problemType: 'relevance' },
  names: { heads: HEADS, labels: ['O', 'B-per', 'I-per'], problemType: 'token_classification' },
};
const TEXTS = ['The result is warm.', 'cold', 'An old sailor described her story on the hill.'];

describe('the inference service', () => {
  const root = temporaryFolder('inference');
  const store = new FolderArtifacts(path.join(root, 'artifacts'));
  const inputs = new Inputs({ store, dataRoots: [FIXTURES, root], scratch: path.join(root, 'scratch') });
  const deltas = new OpenedDeltas(inputs, 2);
  // So small that every call lets go of what the one before has used.
  const engine = new ClassifyEngine({ limits: { models: 1, deltas: 1 } });
  const server = new GrpcServer({ host: '127.0.0.1', port: 0 });
  let client: GrpcClient;

  const at = (name: string) => path.join(root, name);
  const pathOf = (name: string) => ({ delta: { case: 'path' as const, value: at(name) } });
  const ask = (request: Request, signal?: AbortSignal, timeoutMs?: number): Promise<ClassifyResponse> =>
    client.unary(InferenceService.method.classify, { model: 'tiny-bert', texts: TEXTS, ...request } as Request, {
      signal,
      timeoutMs,
    });
  const polarity = () => ask({ deltas: [pathOf('polarity')] });

  beforeAll(async () => {
    const checkpoint = await openCheckpoint(path.join(FIXTURES, 'tiny-bert'));
    for (const [name, shape] of Object.entries(SHAPES)) {
      writeDelta(at(name), randomDelta(checkpoint, { scale: 0.3, ...shape }));
    }
    checkpoint.close();
    const other = await openCheckpoint(path.join(FIXTURES, 'tiny-mpnet'));
    writeDelta(at('of-another'), randomDelta(other, { heads: HEADS.map(() => [0]), labels: ['x', 'y'] }));
    other.close();
    server.add(InferenceService, inferenceService({ engine, inputs, deltas, names: undefined }));
    client = new GrpcClient(`127.0.0.1:${await server.start()}`);
  });
  afterAll(async () => {
    client.close();
    await server.drain(0);
    await deltas.close();
    await engine.close();
    fs.rmSync(root, { recursive: true });
  });

  it('answers with the labels of each delta, the most likely first', async () => {
    const all = ['polarity', 'topics', 'stars', 'names'];
    const { results } = await ask({ deltas: all.map(pathOf), top: 0 });
    expect(results.map(({ delta }) => delta?.delta.value)).toEqual(all.map(at));
    const [labels, several, numbers, words] = results.map(({ rows }) => rows);
    for (const row of labels) {
      expect(row.labels.map(({ label }) => label).sort()).toEqual(['bad', 'good']);
      const [first, second] = row.labels.map(({ score }) => score!);
      expect(first).toBeGreaterThan(second);
      expect(first + second).toBeCloseTo(1, 12);
      const [bad, good] = row.logits;
      expect(row.labels[0].label).toBe(good > bad ? 'good' : 'bad');
      expect(first).toBeCloseTo(1 / (1 + Math.exp(-Math.abs(good - bad))), 12);
    }
    for (const row of several) {
      const scores = new Map(row.labels.map(({ label, score }) => [label, score!]));
      expect(['a', 'b', 'c'].map((label) => scores.get(label)!)).toEqual(
        row.logits.map((logit) => expect.closeTo(1 / (1 + Math.exp(-logit)), 12)),
      );
    }
    for (const row of numbers) expect(row.labels).toMatchObject([{ label: '', score: row.logits[0] }]);
    for (const [i, row] of words.entries()) {
      expect([row.labels, row.logits]).toEqual([[], []]);
      for (const { text, start, end } of row.entities) expect(TEXTS[i].slice(start, end)).toBe(text);
    }
    const [{ rows }] = (await polarity()).results;
    expect(rows.map(({ labels }) => labels)).toEqual(labels.map(({ labels: [first] }) => [first]));
  });

  it('answers for pairs', async () => {
    const { results } = await ask({ deltas: [pathOf('answers')], secondTexts: ['warm', 'it is cold', 'a story'] });
    for (const { labels, logits } of results[0].rows) {
      expect(labels).toMatchObject([{ label: '', score: expect.closeTo(1 / (1 + Math.exp(-logits[0])), 12) }]);
    }
  });

  it('answers for an artifact, and a merged checkpoint, as for the folder of the delta', async () => {
    const expected = (await polarity()).results[0].rows;
    const [info, tensors] = await Promise.all(
      ['delta.json', 'delta.safetensors'].map((name) => store.add(path.join(at('polarity'), name))),
    );
    const value = { info: info.sha256, tensors: tensors.sha256 };
    const { results } = await ask({ deltas: [{ delta: { case: 'artifact', value } }] });
    expect(results[0].rows).toEqual(expected);
    const model = at('merged');
    const checkpoint = await openCheckpoint(path.join(FIXTURES, 'tiny-bert'));
    await exportCheckpoint({ checkpoint, delta: readDelta(at('polarity')), dtype: 'float32', out: model });
    checkpoint.close();
    const merged = await ask({ model });
    expect(merged.results[0].delta).toBeUndefined();
    for (const [row, { logits }] of merged.results[0].rows.entries()) {
      expect(logits).toEqual(expected[row].logits.map((logit) => expect.closeTo(logit, 5)));
    }
  });

  it('opens an artifact for all callers, also when the first one leaves', async () => {
    const [info, tensors] = await Promise.all(
      ['delta.json', 'delta.safetensors'].map((name) => store.add(path.join(at('stars'), name))),
    );
    const files = { info: info.sha256, tensors: tensors.sha256 };
    const opened = new OpenedDeltas(inputs);
    const leaving = new AbortController();
    const first = opened.folder(files, leaving.signal);
    const second = opened.folder(files, new AbortController().signal);
    leaving.abort();
    await expect(first).rejects.toThrow();
    const folder = await second;
    expect(fs.readdirSync(folder).sort()).toEqual(['delta.json', 'delta.safetensors']);
    await opened.close();
    expect(fs.existsSync(folder)).toBe(false);
  });

  it('answers with the same bits after others, whatever has left the memory meanwhile', async () => {
    const expected = (await polarity()).results;
    await ask({ deltas: [pathOf('stars'), pathOf('topics')] });
    await ask({ model: 'tiny-mpnet', deltas: [pathOf('of-another')] });
    expect((await polarity()).results).toEqual(expected);
  });

  it('answers calls that come at once, each with its own result or error', async () => {
    const expected = (await polarity()).results;
    const all = await Promise.allSettled([
      polarity(),
      ask({ deltas: [pathOf('of-another')] }),
      ask({ texts: Array.from({ length: 500 }, () => TEXTS[1]), deltas: [pathOf('polarity')] }),
      polarity(),
      ask({ deltas: [] }),
    ]);
    expect(all.map((each) => each.status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled', 'rejected']);
    const found = all.map((each) => (each.status === 'fulfilled' ? each.value.results : []));
    expect([found[0], found[3]]).toEqual([expected, expected]);
    expect(found[2][0].rows).toEqual(Array.from({ length: 500 }, () => expected[0].rows[1]));
  });

  it.each<[string, Request, string, RegExp]>([
    ['no text', { texts: [] }, 'texts', /at least one text/],
    ['unequal lists', { secondTexts: ['a'] }, 'second_texts', /second_texts has 1 texts; texts has 3/],
    ['a length of 0', { maxLength: 0 }, 'max_length', /1 or more/],
    ['a base without deltas', {}, 'deltas', /no task head/],
    ['a delta without a reference', { deltas: [{}] }, 'deltas[0]', /name, artifact or path/],
    ['a name without a gateway', { deltas: [{ delta: { case: 'name', value: 'x' } }] }, 'deltas[0].name', /no gateway/],
    ['a missing folder', { deltas: [pathOf('none')] }, 'deltas[0].path', /no such folder/],
    [
      'an artifact whose name is no SHA-256',
      { deltas: [pathOf('polarity'), { delta: { case: 'artifact', value: { info: 'x', tensors: 'y' } } }] },
      'deltas[1].artifact.info',
      /no SHA-256/,
    ],
    ['a folder without a delta', { deltas: [pathOf('.')] }, 'deltas[0].path', /delta\.json/],
    ['no second texts', { deltas: [pathOf('answers')] }, 'second_texts', /compares two texts/],
    ['an unknown model', { model: './none' }, 'model', /known name/],
  ])('refuses %s', async (_, request, field, message) => {
    const error = await ask(request).catch((thrown: RpcError) => thrown);
    expect(error).toMatchObject({ code: status.INVALID_ARGUMENT, message: expect.stringMatching(message) });
    expect((error as RpcError).details.violations?.map((each) => each.field)).toEqual([field]);
  });

  it('refuses a delta of another base, with both names and hashes', async () => {
    const error: RpcError = await ask({ deltas: [pathOf('polarity'), pathOf('of-another')] }).catch((thrown) => thrown);
    expect(error.code).toBe(status.INVALID_ARGUMENT);
    expect(error.message).toMatch(/tiny-mpnet \(sha256 [0-9a-f]{64}\), not on tiny-bert \(sha256 [0-9a-f]{64}\)/);
  });

  it('refuses a call while too many texts wait, and says when to try again', async () => {
    const leaving = new AbortController();
    const texts = Array.from({ length: 9000 }, () => 'cold');
    const many = ask({ texts, deltas: [pathOf('polarity')] }, leaving.signal);
    await until(
      () => engine.waitingTexts,
      (count) => count > 8192,
      'a full queue',
    );
    const error: RpcError = await polarity().catch((thrown) => thrown);
    expect(error).toMatchObject({ code: status.RESOURCE_EXHAUSTED, reason: 'BUSY', details: { retrySeconds: 1 } });
    leaving.abort();
    await expect(many).rejects.toMatchObject({ code: status.CANCELLED });
    await until(
      () => engine.waitingTexts,
      (count) => count === 0,
      'an empty queue',
    );
    expect((await polarity()).results).toHaveLength(1);
  });

  it('answers in a new process after the old one was killed', async () => {
    const expected = (await polarity()).results;
    const many = ask({ texts: Array.from({ length: 2000 }, () => TEXTS[2]), deltas: [pathOf('polarity')] });
    await until(
      () => engine.waitingTexts,
      (count) => count > 0,
      'a running call',
    );
    process.kill(engine.pid!, 'SIGKILL');
    await expect(many).rejects.toMatchObject({ code: status.UNAVAILABLE, reason: 'ENGINE_LOST' });
    expect((await polarity()).results).toEqual(expected);
  });
});
