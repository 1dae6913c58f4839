import { create } from '@bufbuild/protobuf';
import { TRAIN_DEFAULTS } from '../../delta/training-options';
import { invalidValue } from '../../foundation/errors';
import { follow } from '../../foundation/follow';
import type { StageProgress } from '../../foundation/progress';
import { remoteCalibrations } from '../../gateway/remote-calibrations';
import { ANALYSIS_DEFAULTS } from '../../heads/analysis-options';
import { SELECTION_DEFAULTS } from '../../heads/select';
import { GrpcClient } from '../../infra/grpc/client';
import { GrpcServer } from '../../infra/grpc/server';
import { estimate } from '../../job/estimate';
import { AnalyzerService, type CalibrateAnalysisRequest } from '../../proto/gen/hifi/v1/analyzer_pb';
import { TextDatasetSchema } from '../../proto/gen/hifi/v1/dataset_pb';
import { RpcError, status } from '../../proto/status';
import { trial } from '../infra/grpc/service';

/* The gateway's side of a calibration, with an analyzer whose answers the test sets. */
let server: GrpcServer;
let client: GrpcClient;
/** Answers of the analyzer, and what it was asked. */
let answer: (signal: AbortSignal) => AsyncGenerator<object>;
let asked: CalibrateAnalysisRequest;

beforeAll(async () => {
  server = new GrpcServer({ host: '127.0.0.1', port: 0 });
  const calibrateAnalysis = (request: CalibrateAnalysisRequest, { signal }: { signal: AbortSignal }) => {
    asked = request;
    return answer(signal);
  };
  server.add(AnalyzerService, { ...trial({ sent: 0, aborted: 0, ended: 0 }), calibrateAnalysis });
  client = new GrpcClient(`127.0.0.1:${await server.start()}`);
});
afterAll(async () => {
  client.close();
  await server.drain(0);
});

const spec = {
  model: 'm',
  train: create(TextDatasetSchema, { source: { case: 'path', value: 'rows.tsv' }, textColumns: ['text'] }),
  analysis: { ...ANALYSIS_DEFAULTS, samples: 20 },
  selection: SELECTION_DEFAULTS,
  training: TRAIN_DEFAULTS,
  exports: [],
  onnxDtypes: [],
};
const estimated = (signal = new AbortController().signal, see = (_: StageProgress) => {}) =>
  follow(estimate(spec, remoteCalibrations(client, client), signal), see);
/** Throws instead of a first message. */
const refusing = (error: unknown) =>
  // biome-ignore lint/correctness/useYield: it fails before anything
  async function* () {
    throw error;
  };

test('requests the job unchanged, and forwards the progress of the service', async () => {
  const stages: string[] = [];
  answer = async function* () {
    yield { event: { case: 'progress', value: { stage: 'measure', done: 1, total: 2, unit: 'sequences' } } };
  };
  await expect(estimated(undefined, ({ stage }) => stages.push(stage))).rejects.toMatchObject({
    code: 'FAILED',
    message: 'the analyzer ended without a result',
  });
  expect(stages).toEqual(['measure']);
  expect(asked).toMatchObject({ model: 'm', dataset: { textColumns: ['text'] }, options: { samples: 20, k: 3 } });
});

test.each([
  ['model', 'spec.model'],
  ['dataset.path', 'spec.train.path'],
  ['options.xi', 'spec.analysis.xi'],
  ['mask', 'mask'],
])('names %s as the part of the spec that it is', async (field, part) => {
  answer = refusing(invalidValue({ field, value: 'x', expected: 'right' }));
  await expect(estimated()).rejects.toMatchObject({
    code: status.INVALID_ARGUMENT,
    details: { violations: [{ field: part, description: `${field} is x; it must be right` }] },
  });
});

test('a service that is busy says so, with the time to wait', async () => {
  answer = refusing(new RpcError(status.RESOURCE_EXHAUSTED, 'BUSY', 'the service is busy', { retrySeconds: 7 }));
  await expect(estimated()).rejects.toMatchObject({
    code: status.RESOURCE_EXHAUSTED,
    reason: 'BUSY',
    details: { retrySeconds: 7 },
  });
});

test('a signal ends the call of the service', async () => {
  const leaving = new AbortController();
  const heard = new Promise<void>((resolve) => {
    answer = async function* (signal) {
      signal.addEventListener('abort', () => resolve());
      yield { event: { case: 'progress', value: { stage: 'load', done: 0, total: 1, unit: 'models' } } };
      await new Promise((ended) => signal.addEventListener('abort', ended));
    };
  });
  const refused = expect(estimated(leaving.signal, () => leaving.abort())).rejects.toMatchObject({ code: 'CANCELLED' });
  await heard;
  await refused;
});
