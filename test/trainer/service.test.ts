import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DescMethodServerStreaming, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import { writeDelta } from '../../delta/delta';
import { TRAIN_DEFAULTS } from '../../delta/training-options';
import { relayed } from '../../foundation/follow';
import { GrpcClient } from '../../infra/grpc/client';
import { GrpcServer } from '../../infra/grpc/server';
import { openLog } from '../../infra/log';
import { openCheckpoint } from '../../model/checkpoint';
import type { Artifact } from '../../proto/gen/hifi/v1/artifact_pb';
import {
  type Epoch,
  TrainerService,
  type TrainingCost,
  type TrainingMetrics,
  type TrainingResult,
  type TrainRequestSchema,
} from '../../proto/gen/hifi/v1/trainer_pb';
import { maskOf } from '../../proto/mask';
import { scoresOf } from '../../proto/scores';
import { RpcError, status } from '../../proto/status';
import { predictionsOf } from '../../trainer/prediction-message';
import { Runs } from '../../trainer/runs';
import { trainerService } from '../../trainer/service';
import * as engine from '../../trainer/training-engine';
import { drain } from '../analyzer/run';
import { FIXTURES, randomDelta, temporaryFolder } from '../support/deltas';
import { asJsonLines } from '../support/entity-rows';
import { inlineRows, PROBLEM_METRICS, PROBLEM_ROWS, ROW_PROBLEMS, SEVERAL } from '../support/problem-rows';
import { serviceParts } from '../support/service-files';
import { devSentences, model, sentences } from './runs';

const { scoreHeads, calibrateTraining, train, evaluate, predict, export: exportModel } = TrainerService.method;

type Request = MessageInitShape<typeof TrainRequestSchema>;

const rows = (name: string) => ({
  source: { case: 'path' as const, value: `tiny-data/${name}.tsv` },
  textColumns: ['sentence'],
  labelColumn: 'label',
});
const heads = [
  [0, 1],
  [0, 3],
  [1, 0],
  [1, 4],
].map(([layer, head]) => ({ layer, head, score: 0.5 }));
const options = { epochs: 3, batchSize: 8, lr: 2e-3, device: 'cpu', threads: 2 };
const asked = { model: 'tiny-bert', train: rows('train'), dev: rows('dev'), mask: { heads }, options };

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

describe('the trainer service', () => {
  const stateDir = temporaryFolder('trainer-service');
  const parts = serviceParts(stateDir);
  const { store } = parts;
  let server: GrpcServer;
  let client: GrpcClient;
  /** Files of the delta of the same training in this process. */
  let delta: Record<string, string>;
  /** Number of sets of rows of each training whose frozen layers' output was stored before. */
  const reused: number[] = [];

  beforeAll(async () => {
    server = new GrpcServer({ host: '127.0.0.1', port: 0 });
    const folder = path.join(stateDir, 'runs');
    const prefixes = path.join(stateDir, 'prefixes');
    const trainNoted: typeof engine.train = (request, signal) =>
      relayed(engine.train(request, signal), function* (event) {
        const { name, attributes } = event as { name?: string; attributes?: { reused?: number } };
        if (name === 'prefix') reused.push(attributes!.reused!);
        yield event;
      });
    const runs = new Runs({ folder, prefixes, results: parts.results, train: trainNoted, log: openLog('trainer') });
    server.add(TrainerService, trainerService({ engine, runs, ...parts }));
    client = new GrpcClient(`127.0.0.1:${await server.start()}`);

    delta = await trainedHere('here', heads, options);
  });
  afterAll(async () => {
    client.close();
    await server.drain(0);
    fs.rmSync(stateDir, { recursive: true });
  });

  /** Trains in a process of this one. @returns hashes of the delta's files */
  async function trainedHere(name: string, chosen: typeof heads, given: object): Promise<Record<string, string>> {
    const { sha256: hash, config, parameters, close, ...checkpoint } = await openCheckpoint(model);
    close();
    const mask = maskOf(
      {
        $typeName: 'hifi.v1.Mask',
        heads: chosen.map((head) => ({ $typeName: 'hifi.v1.RankedHead', ...head })),
        neurons: [],
      },
      { ...config, name: checkpoint.name, sha256: hash, parameters },
    );
    const out = path.join(stateDir, name);
    const training = { ...TRAIN_DEFAULTS, ...given, device: 'cpu' as const };
    const rows = { train: sentences, dev: devSentences };
    await drain(engine.train({ model, ...rows, mask, options: training, out, resume: false }));
    const files = ['delta.json', 'delta.safetensors'];
    return Object.fromEntries(
      files.map((file) => [`delta/${file}`, sha256(fs.readFileSync(path.join(out, 'delta', file)))]),
    );
  }

  async function all<M extends DescMethodServerStreaming>(method: M, request: MessageInitShape<M['input']>) {
    const responses: MessageShape<M['output']>[] = [];
    for await (const response of client.stream(method, request)) responses.push(response as MessageShape<M['output']>);
    return responses;
  }
  const trained = async (request: Request) => {
    const events = (await all(train, request)).map(({ event }) => event);
    return { events, result: events.at(-1)!.value as TrainingResult };
  };
  const hashes = (artifacts: Artifact[]) => Object.fromEntries(artifacts.map(({ name, sha256 }) => [name, sha256]));
  const epochsOf = (events: { case?: string; value?: unknown }[]) =>
    events.flatMap((event) => (event.case === 'epoch' ? [(event.value as { epoch: number }).epoch] : []));
  const untilScratchIsEmpty = async () => {
    while (fs.readdirSync(path.join(stateDir, 'scratch')).length > 0) await sleep(5);
  };

  it('trains to the delta of the same training in this process', async () => {
    const { events, result } = await trained({ ...asked, runId: 'whole' });
    expect(hashes(result.artifacts)).toEqual(delta);
    expect(result.artifacts.map(({ sizeBytes, sha256 }) => [Number(sizeBytes), sha256])).toEqual(
      await Promise.all(result.artifacts.map(async ({ sha256 }) => [await store.size(sha256), sha256])),
    );
    expect(epochsOf(events)).toEqual([1, 2, 3]);
    expect(new Set(events.map((event) => event.case))).toEqual(new Set(['progress', 'epoch', 'checkpoint', 'result']));
    expect(result.metrics).toMatchObject({ seed: 0, deviceUsed: 'cpu', metric: 'accuracy' });
    expect(fs.readdirSync(path.join(stateDir, 'runs/whole')).sort()).toEqual(['run.json', 'state']);
    expect(fs.readdirSync(path.join(stateDir, 'runs/whole/state'))).toEqual([]);
  });

  it('returns the epochs and the result of a finished run again, without training', async () => {
    const before = JSON.parse(fs.readFileSync(path.join(stateDir, 'runs/whole/run.json'), 'utf8'));
    const { events, result } = await trained({ ...asked, runId: 'whole' });
    expect(events.map((event) => event.case)).toEqual(['epoch', 'epoch', 'epoch', 'result']);
    expect(hashes(result.artifacts)).toEqual(delta);
    expect(result.metrics?.best?.value).toBe(before.outcome.metrics.best.value);
  });

  it('rejects a run id that belongs to another training', async () => {
    const other = trained({ ...asked, options: { ...options, seed: 1 }, runId: 'whole' });
    await expect(other).rejects.toMatchObject({ code: status.ALREADY_EXISTS, reason: 'RUN_EXISTS' });
  });

  it('trains again if the files of a finished run are gone', async () => {
    for (const hash of Object.values(delta)) await store.remove(hash);
    const { result } = await trained({ ...asked, runId: 'whole' });
    expect(hashes(result.artifacts)).toEqual(delta);
  });

  it('resumes an interrupted run and produces the same delta', async () => {
    const leaving = new AbortController();
    let seen = 0;
    const interrupted = async () => {
      for await (const { event } of client.stream(
        train,
        { ...asked, runId: 'interrupted' },
        { signal: leaving.signal },
      )) {
        if (event.case === 'checkpoint' && ++seen === 1) leaving.abort();
      }
    };
    await expect(interrupted()).rejects.toMatchObject({ code: 'CANCELLED' });
    let resumed: Awaited<ReturnType<typeof trained>> | undefined;
    while (resumed === undefined) {
      // The service may be about to end the first call.
      resumed = await trained({ ...asked, runId: 'interrupted' }).catch((error: RpcError) => {
        if (error.reason !== 'RUN_AT_WORK') throw error;
        return undefined;
      });
    }
    expect(hashes(resumed.result.artifacts)).toEqual(delta);
    expect((resumed.result.metrics as TrainingMetrics).resumedFromStep).toBeGreaterThan(0);
    expect(epochsOf(resumed.events)).toEqual([1, 2, 3]);
  });

  it('gives a run to one call at a time', async () => {
    const first = client.stream(train, { ...asked, options: { ...options, epochs: 500 }, runId: 'twice' });
    await first.next();
    const second = trained({ ...asked, options: { ...options, epochs: 500 }, runId: 'twice' });
    await expect(second).rejects.toMatchObject({ code: status.ABORTED, reason: 'RUN_AT_WORK' });
    await first.return();
  });

  it('trains on inline rows as on a file of the same rows', async () => {
    const lines = (name: string) =>
      fs
        .readFileSync(path.join(FIXTURES, `tiny-data/${name}.tsv`), 'utf8')
        .trim()
        .split('\n')
        .slice(1);
    const inline = (name: string) => {
      const cells = lines(name).map((line) => line.split('\t'));
      const value = { texts: cells.map(([text]) => text), labels: cells.map(([, label]) => label) };
      return { source: { case: 'inline' as const, value } };
    };
    const { result } = await trained({ ...asked, train: inline('train'), dev: inline('dev'), runId: 'inline' });
    expect(hashes(result.artifacts)).toEqual(delta);
    await untilScratchIsEmpty();
  });

  it('computes the frozen layers once for runs on the same rows, with the deltas of each alone', async () => {
    const once = { ...options, epochs: 1 };
    const upper = [0, 2].map((head) => [{ layer: 1, head, score: 0.5 }]);
    const requests = upper.map((mask, i) => ({ ...asked, mask: { heads: mask }, options: once, runId: `upper-${i}` }));
    reused.length = 0;
    const shared = await Promise.all(requests.map(trained));
    expect(reused).toEqual([0, 2]); // rows of the training and dev rows
    // The first trains as it would alone; the second has read what it stored.
    expect(hashes(shared[1].result.artifacts)).toEqual(await trainedHere('alone', upper[1], once));
    expect(fs.readdirSync(path.join(stateDir, 'prefixes'))).toHaveLength(2);
  });

  const files = () => ({ info: delta['delta/delta.json'], tensors: delta['delta/delta.safetensors'] });

  it('evaluates and predicts as the engine does here', async () => {
    const out = path.join(stateDir, 'here/delta');
    const texts = { ...rows('dev'), labelColumn: undefined };
    const inference = { batchSize: 4, device: 'cpu', threads: 2 };
    const evaluated = await client.unary(evaluate, {
      model: 'tiny-bert',
      delta: files(),
      dataset: rows('dev'),
      options: inference,
    });
    expect(evaluated).toMatchObject({ metric: 'accuracy', rows: 40, metrics: { accuracy: expect.any(Number) } });
    expect(evaluated.errorAnalysis).toMatchObject({ rows: 40, unit: 'rows', confusion: { labels: ['0', '1'] } });
    expect(evaluated.errorAnalysis!.worst.every(({ text }) => text !== undefined)).toBe(true);
    const bare = await client.unary(evaluate, {
      ...{ model: 'tiny-bert', delta: files(), dataset: rows('dev'), options: inference },
      omitTexts: true,
    });
    expect(bare.errorAnalysis!.worst.map(({ row, text }) => [row, text])).toEqual(
      evaluated.errorAnalysis!.worst.map(({ row }) => [row, undefined]),
    );
    const responses = await all(predict, { model: 'tiny-bert', delta: files(), dataset: texts, options: inference });
    const predicted = responses.flatMap(({ event }) =>
      event.case === 'predictions' ? predictionsOf(event.value) : [],
    );
    const here = await drain(
      engine.predict({
        model,
        delta: out,
        data: devSentences,
        options: { batchSize: 4, maxLength: 128, device: 'cpu', threads: 2 },
      }),
    );
    expect(predicted).toEqual(here.events.flatMap((event) => (event.kind === 'rows' ? event.rows : [])));
    await untilScratchIsEmpty();
  });

  it.each(ROW_PROBLEMS)('trains, evaluates and predicts %s', async (problem) => {
    const inline = (count: number, seed: number) => ({
      source: { case: 'inline' as const, value: inlineRows(problem, PROBLEM_ROWS[problem](count, seed)) },
      problem,
    });
    const dev = inline(24, 1);
    const chosen = { ...options, epochs: 1, lr: undefined, autoLr: true };
    const request = { ...asked, train: inline(200, 0), dev, options: chosen };
    const { events, result } = await trained({ ...request, runId: problem });
    const [epoch] = events.flatMap((event) => (event.case === 'epoch' ? [event.value as Epoch] : []));
    const rates = events.flatMap((event) => (event.case === 'learningRate' ? [event.value] : []));
    expect(rates).toEqual([result.metrics?.learningRate]);
    expect(result.metrics?.learningRate?.tried.length).toBeGreaterThan(5);
    const names = PROBLEM_METRICS[problem];
    expect(Object.keys(epoch.dev).sort()).toEqual([...names, 'loss'].sort());
    expect(result.metrics).toMatchObject({ metric: names[0], best: { value: epoch.dev[names[0]] } });

    const found = hashes(result.artifacts);
    const tuned = {
      model: 'tiny-bert',
      delta: { info: found['delta/delta.json'], tensors: found['delta/delta.safetensors'] },
      options: { device: 'cpu', threads: 2 },
    };
    const evaluated = await client.unary(evaluate, { ...tuned, dataset: dev });
    expect(evaluated).toMatchObject({ metric: names[0], rows: 24 });
    for (const [name, value] of Object.entries(evaluated.metrics)) expect(value).toBeCloseTo(epoch.dev[name], 6);

    const { labels: _, ...texts } = dev.source.value;
    const unlabelled = { source: { case: 'inline' as const, value: texts } };
    const responses = await all(predict, { ...tuned, dataset: unlabelled });
    const predicted = responses.flatMap(({ event }) =>
      event.case === 'predictions' ? predictionsOf(event.value) : [],
    );
    expect(predicted).toHaveLength(24);
    for (const { row, labels, probabilities, entities, score } of predicted) {
      if (problem === 'multi-label') {
        expect(labels).toEqual(SEVERAL.filter((_, i) => probabilities![i] >= epoch.thresholds[i]));
      }
      if (problem === 'relevance') expect(score! > 0 && score! < 1).toBe(true);
      for (const { start, end, text } of problem === 'tokens' ? entities! : []) {
        expect(texts.texts[row].slice(start, end)).toBe(text);
      }
    }
  });

  it('predicts tags of given words, also of a row without a word, and entities of a text', async () => {
    const checkpoint = await openCheckpoint(model);
    checkpoint.close();
    const labels = ['B-LOC', 'I-LOC', 'O'];
    const tuned = randomDelta(checkpoint, { heads: [[1], []], labels, problemType: 'token_classification' });
    const folder = path.join(stateDir, 'words-delta');
    writeDelta(folder, tuned);
    const [info, tensors] = await Promise.all(
      ['delta.json', 'delta.safetensors'].map((file) => store.add(path.join(folder, file))),
    );
    const lines = asJsonLines([{ tokens: ['in', 'Oslo'] }, { tokens: [] }, { tokens: '' }]);
    const { sha256: artifact } = await store.addText(lines);
    const responses = await all(predict, {
      model: 'tiny-bert',
      delta: { info: info.sha256, tensors: tensors.sha256 },
      dataset: { source: { case: 'artifact', value: artifact }, name: 'rows.jsonl', textColumns: ['tokens'] },
      options: { device: 'cpu', threads: 2 },
    });
    expect(responses.flatMap(({ event }) => (event.case === 'predictions' ? predictionsOf(event.value) : []))).toEqual([
      { row: 0, tags: [expect.any(String), expect.any(String)], logits: [] },
      { row: 1, tags: [], logits: [] },
      { row: 2, entities: [], logits: [] },
    ]);
  });

  it('exports files by name, without a trace of the scratch folder', async () => {
    for (const format of ['checkpoint', 'peft', 'onnx']) {
      const typed = format === 'onnx' && { onnxDtypes: ['q8', 'fp32'], dev: rows('dev') };
      const responses = await all(exportModel, { model: 'tiny-bert', delta: files(), format, ...typed });
      const { event } = responses.at(-1)!;
      if (event.case !== 'result') throw new Error(`the last is ${event.case}`);
      const names = event.value.artifacts.map(({ name }) => name);
      expect(names.every((name) => name.startsWith(`${format}/`))).toBe(true);
      expect(names).toContain(
        { checkpoint: 'checkpoint/model.safetensors', peft: 'peft/adapter_config.json', onnx: 'onnx/onnx/model.onnx' }[
          format
        ],
      );
      const { onnx } = event.value;
      expect(onnx.map(({ dtype }) => dtype)).toEqual(typed ? ['fp32', 'q8'] : []);
      for (const { file, sizeBytes, largestDifference, dev } of onnx) {
        const stored = event.value.artifacts.find(({ name }) => name === `onnx/${file}`);
        expect(stored?.sizeBytes).toBe(sizeBytes);
        expect(largestDifference).toBeLessThan(file === 'onnx/model.onnx' ? 1e-4 : 0.2);
        expect(Object.keys(dev)).toEqual(expect.arrayContaining(['accuracy', 'loss']));
      }
      for (const { sha256: hash } of event.value.artifacts)
        expect(sha256(fs.readFileSync(await store.path(hash)))).toBe(hash);
    }
    await untilScratchIsEmpty();
  });

  it('measures the cost of a training, with the scores of its strategy', async () => {
    const { model, train, dev, options } = asked;
    const request = { model, train, dev, options, selection: { strategy: 'gradient', k: 2 }, scoring: { samples: 16 } };
    const events = (await all(calibrateTraining, request)).map(({ event }) => event);
    const stages = events.flatMap((event) => (event.case === 'progress' ? [event.value.stage] : []));
    expect(stages).toEqual(expect.arrayContaining(['score', 'calibrate']));
    expect(events.at(-1)).toMatchObject({
      case: 'result',
      value: { heads: 4, trainRows: 60, devRows: 40, steps: 3 * 8 },
    });
    const { scoring, preparation, steps, evaluation } = (events.at(-1)!.value as TrainingCost).seconds!;
    for (const seconds of [scoring, preparation, steps, evaluation]) expect(seconds).toBeGreaterThan(0);

    const many = all(calibrateTraining, { ...request, selection: { k: 9 } });
    await expect(many).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: { violations: [{ field: 'selection.k' }] },
    });
    await untilScratchIsEmpty();
  });

  it('scores heads as the engine does here', async () => {
    const scored = { samples: 20, maxLength: 32, device: 'cpu', threads: 2 };
    const responses = await all(scoreHeads, { model: 'tiny-bert', train: rows('train'), options: scored });
    const { event } = responses.at(-1)!;
    if (event.case !== 'scores') throw new Error(`the last is ${event.case}`);
    const { result } = await drain(
      engine.scoreHeads({ model, train: sentences, strategy: 'gradient', options: { ...scored, device: 'cpu' } }),
    );
    const { scores } = scoresOf(event.value);
    const expected = { ...result, elapsedSeconds: 0, data: { ...result.data, path: 'tiny-data/train.tsv' } };
    expect({ ...scores, elapsedSeconds: 0 }).toEqual(expected);
  });

  const { INVALID_ARGUMENT } = status;
  it.each<[string, Request, string, string]>([
    ['a run_id', { runId: '../x' }, 'run_id', 'run_id is "../x"; it must be 1 to 64 letters'],
    [
      'an option',
      { options: { lr: -1 } },
      'options.lr',
      'options.lr is -1; it must be a number above 0, or auto_lr true',
    ],
    [
      'an option of another problem',
      { options: { threshold: 0.5 } },
      'options.threshold',
      'threshold needs the problem multi-label',
    ],
    [
      'the weight of an unknown label',
      { options: { labelWeights: { zz: 1 } } },
      'options.label_weights',
      'options.label_weights is "zz"; it must be a label of the training rows',
    ],
    [
      'a label column that the file lacks',
      { train: { ...rows('train'), labelColumn: 'lable' } },
      'train.label_column',
      'no column "lable"',
    ],
    ['no mask', { mask: undefined }, 'mask', 'mask is missing'],
    [
      'a layer',
      {
        mask: {
          heads: [
            { layer: 0, head: 0 },
            { layer: 2, head: 0 },
          ],
        },
      },
      'mask.heads[1].layer',
      'mask.heads[1].layer is 2; it must be 0 to 1: the model has 2 layers',
    ],
    ['a head', { mask: { heads: [{ layer: 0, head: 99 }] } }, 'mask.heads[0].head', 'mask.heads[0].head is 99'],
    ['a head without a layer', { mask: { heads: [{ head: 1 }] } }, 'mask.heads[0].layer', 'is missing'],
    [
      'a head that comes twice',
      {
        mask: {
          heads: [
            { layer: 1, head: 2 },
            { layer: 1, head: 2 },
          ],
        },
      },
      'mask.heads[1]',
      'mask.heads[1] is layer 1, head 2, which mask.heads[0] was already',
    ],
    ['a mask of another model', { mask: { heads, model: { sha256: 'ab'.repeat(32) } } }, 'mask.model.sha256', 'abab'],
    ['no labels', { train: { ...rows('train'), labelColumn: undefined } }, 'train.label_column', 'labels are needed'],
    [
      'inline rows without labels',
      { train: { source: { case: 'inline', value: { texts: ['a'] } } } },
      'train.inline.labels',
      'labels are needed here',
    ],
    [
      'labels of a dev set that the training has not',
      { dev: { source: { case: 'inline', value: { texts: ['a'], labels: ['never'] } } } },
      'dev',
      'never',
    ],
    [
      'a task',
      { train: { ...rows('train'), textColumns: [], labelColumn: undefined, task: 'sst' } },
      'train.task',
      'did you mean "sst2"?',
    ],
  ])('refuses %s', async (_, changes, field, text) => {
    const error = await trained({ ...asked, runId: 'bad', ...changes } as Request).then(
      () => {
        throw new Error('no error');
      },
      (thrown: RpcError) => thrown,
    );
    expect(error).toBeInstanceOf(RpcError);
    expect([error.code, error.message]).toEqual([INVALID_ARGUMENT, expect.stringContaining(text)]);
    expect(error.details.violations?.[0].field).toBe(field);
    expect(fs.existsSync(path.join(stateDir, 'runs/bad'))).toBe(false);
    await untilScratchIsEmpty();
  });

  it('rejects a delta of another base, and an unknown format', async () => {
    const bad = (request: object) => all(exportModel, { model: 'tiny-bert', delta: files(), ...request });
    await expect(bad({ format: 'gguf' })).rejects.toMatchObject({
      code: INVALID_ARGUMENT,
      message: 'format is "gguf"; it must be one of checkpoint, peft, onnx',
    });
    await expect(bad({ format: 'peft', dtype: 'base' })).rejects.toMatchObject({
      details: { violations: [{ field: 'dtype' }] },
    });
    await expect(bad({ format: 'onnx', onnxDtypes: ['q8', 'int4'] })).rejects.toMatchObject({
      code: INVALID_ARGUMENT,
      message: expect.stringContaining('onnx_dtypes[1] is "int4"; it must be one of fp32, fp16, q8'),
      details: { violations: [{ field: 'onnx_dtypes[1]' }] },
    });
    const evaluating = client.unary(evaluate, { model: 'tiny-roberta', delta: files(), dataset: rows('dev') });
    await expect(evaluating).rejects.toMatchObject({
      code: INVALID_ARGUMENT,
      details: { violations: [{ field: 'delta' }] },
    });
    const merged = client.unary(evaluate, { model: 'tiny-bert', dataset: rows('dev') });
    await expect(merged).rejects.toMatchObject({
      code: INVALID_ARGUMENT,
      details: { violations: [{ field: 'model' }] },
    });
  });
});
