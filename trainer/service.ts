import * as path from 'node:path';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { mismatchedRows } from '../data/dataset';
import type { GivenRows } from '../data/given-rows';
import { TASK_NAMES } from '../data/tasks';
import type { ExportDtype } from '../delta/checkpoint-export';
import { DELTA_INFO } from '../delta/delta';
import { type DeltaInfo, parseDeltaInfo } from '../delta/delta-info';
import { EXPORT_FORMATS, type ExportFormat } from '../delta/export-request';
import { modelIdentity, optionsIdentity, readRowsIdentity } from '../delta/identity';
import type { EvaluateRequest } from '../delta/inference-options';
import { trainedLengths } from '../delta/trained-as';
import type { TrainRequest } from '../delta/training-options';
import { canonicalHash } from '../foundation/canonical-json';
import { invalidValue, shown, within } from '../foundation/errors';
import { follow } from '../foundation/follow';
import type { StageProgress } from '../foundation/progress';
import { regularFileText } from '../foundation/regular-file';
import { unitsToChoose } from '../heads/select';
import { Admission, type Ticket } from '../infra/admission';
import type { Inputs, ModelSettings, Opened } from '../infra/artifacts/inputs';
import type { ResultArtifacts } from '../infra/artifacts/result-artifacts';
import { type Answers, answers } from '../infra/grpc/answers';
import { attemptOf } from '../infra/grpc/attempts';
import type { Implementation } from '../infra/grpc/handlers';
import { readModelConfig } from '../model/config';
import type { ModelDescriptions } from '../model/description';
import { artifactMessage } from '../proto/artifact';
import { trainingCostMessage } from '../proto/costs';
import { givenRowsOf } from '../proto/dataset';
import type {
  CalibrateTrainingResponseSchema,
  EvaluateRequest as EvaluateMessage,
  EvaluateResponse,
  ExportResponseSchema,
  PredictRequest as PredictMessage,
  PredictResponseSchema,
  ScoreHeadsResponseSchema,
  TrainerService,
  TrainResponseSchema,
} from '../proto/gen/hifi/v1/trainer_pb';
import { maskOf } from '../proto/mask';
import { present } from '../proto/matrix';
import { type NamedParts, ofMessage } from '../proto/message-field';
import { onnxDtypesOf, onnxMessage } from '../proto/onnx';
import { inferenceOptionsOf, scoreOptionsOf, selectionOptionsOf, trainingOptionsOf } from '../proto/options';
import { progressMessage } from '../proto/progress';
import { scoreStrategyOf, scoresMessage } from '../proto/scores';
import { RpcError, status } from '../proto/status';
import { outcomeMessage, trainEventMessage } from '../proto/training';
import { devRows } from './dev-rows';
import { evaluationMessage, predictionsMessage } from './prediction-message';
import type { ClaimedRun, Runs } from './runs';
import type * as engines from './training-engine';

type ScoreHeadsResponse = MessageInitShape<typeof ScoreHeadsResponseSchema>;
type CalibrateTrainingResponse = MessageInitShape<typeof CalibrateTrainingResponseSchema>;
type TrainResponse = MessageInitShape<typeof TrainResponseSchema>;
type PredictResponse = MessageInitShape<typeof PredictResponseSchema>;
type ExportResponse = MessageInitShape<typeof ExportResponseSchema>;

/** Parts of the service. */
export interface TrainerParts {
  engine: Pick<typeof engines, 'scoreHeads' | 'calibrateTraining' | 'evaluate' | 'predict' | 'exportModel'>;
  runs: Runs;
  inputs: Inputs;
  results: ResultArtifacts;
  models: ModelDescriptions;
  /** Queue of all calls except calibrations, which only wait for other calibrations. */
  admission: Admission;
}

/** Opens a resource that is released when the call ends. */
type Open = <T>(making: Promise<Opened<T>>) => Promise<T>;

/** Valid run ids; the id is also the name of the run's folder. */
const RUN_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/**
 * Implements `hifi/v1/trainer.proto`: checks the requests and calls the engine, one call at a time.
 */
export function trainerService(parts: TrainerParts): Implementation<typeof TrainerService> {
  const { engine, runs, inputs, results, models, admission } = parts;
  const calibrations = new Admission();

  /**
   * Does a call's work; then leaves the queue and releases what the call opened.
   *
   * @param named parts of the request by which its errors are named
   */
  async function inTurn(place: Ticket, named: NamedParts, work: (open: Open) => Promise<void>): Promise<void> {
    const opened: Opened<unknown>[] = [];
    try {
      await work(async (making) => {
        const each = await making;
        opened.push(each);
        return each.what;
      });
    } catch (thrown) {
      throw ofMessage(thrown, named);
    } finally {
      place.leave();
      for (const each of opened) await each.release();
    }
  }

  /**
   * Opens a model, its delta and the rows of a request. The task and the maximum length default to
   * those of the delta's training.
   */
  async function tuned(request: EvaluateMessage | PredictMessage, labels: boolean, open: Open, at: ModelSettings) {
    const given = givenRowsOf(request.dataset, 'dataset');
    const model = await inputs.model(request.model, at);
    const delta = request.delta && (await open(within('delta', () => inputs.delta(request.delta!, at.signal))));
    const trained = delta === undefined ? undefined : await within('delta.info', () => deltaInfo(delta));
    const named = trained ? trained.task : await within('model', () => readModelConfig(model).raw.finetuning_task);
    const task = TASK_NAMES.find((name) => name === named);
    const data = await open(inputs.rows(given, { field: 'dataset', labels, task }, at.signal));
    const options = inferenceOptionsOf(request.options, trained && trainedLengths(trained));
    return { model, ...(delta !== undefined && { delta }), data, options } satisfies EvaluateRequest;
  }

  return {
    scoreHeads(request, { signal, immediate }) {
      const options = scoreOptionsOf(request.options);
      const strategy = scoreStrategyOf(request.strategy, options.tune);
      const given = givenRowsOf(request.train, 'train');
      const place = admission.enter(immediate);
      return answers<ScoreHeadsResponse>(signal, (out, signal) =>
        inTurn(place, {}, async (open) => {
          const onProgress = progressTo(out);
          const model = await inputs.model(request.model, { signal, onProgress });
          await within('model', () => models.of(model));
          const train = await open(inputs.rows(given, { field: 'train', labels: true }, signal));
          await place.turn(signal);
          const warnings: string[] = [];
          const scores = await follow(engine.scoreHeads({ model, train, strategy, options }, signal), (event) => {
            if (event.kind === 'progress') onProgress(event);
            if (event.kind === 'warning') warnings.push(event.message);
          });
          await out.send({ event: { case: 'scores', value: scoresMessage({ scores, warnings }) } });
        }),
      );
    },

    train(request, call) {
      const { signal, immediate } = call;
      const id = runIdOf(request.runId);
      const options = trainingOptionsOf(request.options);
      const given = givenRowsOf(request.train, 'train');
      const givenDev = request.dev && givenRowsOf(request.dev, 'dev');
      const mask = present(request.mask, 'mask');
      const place = admission.enter(immediate);
      return answers<TrainResponse>(signal, (out, signal) =>
        inTurn(place, { options: request.options }, async (open) => {
          const run = await claimed(runs, id, attemptOf(call)?.number, signal);
          try {
            const onProgress = progressTo(out);
            const model = await inputs.model(request.model, { signal, onProgress });
            const description = await within('model', () => models.of(model));
            const chosen = maskOf(mask, description);
            const read = (rows: GivenRows, field: string) => open(inputs.rows(rows, { field, labels: true }, signal));
            const train = await read(given, 'train');
            const dev = givenDev && (await read(givenDev, 'dev'));
            const training = { model, train, ...(dev && { dev }), mask: chosen, options };
            const key = await keyOf(training, description.sha256);
            if (!run.isOf(key)) throw otherRun(id);
            let outcome = await run.outcome(signal);
            // A repeated request may have missed them.
            for (const epoch of outcome?.metrics.epochs ?? [])
              void out.send(trainEventMessage({ kind: 'epoch', epoch })!);
            if (outcome === undefined) {
              await place.turn(signal);
              outcome = await follow(run.train(key, training, signal), (event) => {
                if (event.kind === 'progress') return onProgress(event);
                const message = trainEventMessage(event);
                if (message) void out.send(message);
              });
            }
            await out.send({ event: { case: 'result', value: outcomeMessage(outcome) } });
          } finally {
            run.release();
          }
        }),
      );
    },

    calibrateTraining(request, { signal, immediate }) {
      const selection = selectionOptionsOf(request.selection);
      const options = trainingOptionsOf(request.options);
      const scoring = scoreOptionsOf(request.scoring, 'scoring');
      const given = givenRowsOf(request.train, 'train');
      const givenDev = request.dev && givenRowsOf(request.dev, 'dev');
      const place = calibrations.enter(immediate);
      return answers<CalibrateTrainingResponse>(signal, (out, signal) =>
        inTurn(place, { options: request.options }, async (open) => {
          const onProgress = progressTo(out);
          const model = await inputs.model(request.model, { signal, onProgress });
          const description = await within('model', () => models.of(model));
          await within('selection', () => unitsToChoose(selection, description));
          const read = (rows: GivenRows, field: string) => open(inputs.rows(rows, { field, labels: true }, signal));
          const train = await read(given, 'train');
          const dev = givenDev && (await read(givenDev, 'dev'));
          await place.turn(signal);
          const calibration = { model, train, dev, selection, options, scoring };
          const cost = await follow(engine.calibrateTraining(calibration, signal), onProgress);
          await out.send({ event: { case: 'result', value: trainingCostMessage(cost) } });
        }),
      );
    },

    async evaluate(request, { signal, immediate }) {
      const place = admission.enter(immediate);
      let response: EvaluateResponse | undefined;
      await inTurn(place, { dataset: request.dataset }, async (open) => {
        const { omitTexts = false } = request;
        const evaluation = { ...(await tuned(request, true, open, { signal })), omitTexts };
        await place.turn(signal);
        response = evaluationMessage(await follow(engine.evaluate(evaluation, signal), () => {}));
      });
      return response!;
    },

    predict(request, { signal, immediate }) {
      const place = admission.enter(immediate);
      return answers<PredictResponse>(signal, (out, signal) =>
        inTurn(place, { dataset: request.dataset }, async (open) => {
          const onProgress = progressTo(out);
          const prediction = await tuned(request, false, open, { signal, onProgress });
          await place.turn(signal);
          await follow(engine.predict(prediction, signal), async (event) => {
            if (event.kind === 'progress') return onProgress(event);
            if (event.kind === 'warning') return out.send({ event: { case: 'warning', value: event.message } });
            await out.send({ event: { case: 'predictions', value: predictionsMessage(event.rows) } });
          });
        }),
      );
    },

    export(request, { signal, immediate }) {
      const format = formatOf(request.format);
      const dtype = dtypeOf(request.dtype, format);
      const files = present(request.delta, 'delta');
      const onnxDtypes = onnxDtypesOf(request.onnxDtypes, 'onnx_dtypes');
      const options = trainingOptionsOf(request.options);
      const givenTrain = request.train && givenRowsOf(request.train, 'train');
      const givenDev = request.dev && givenRowsOf(request.dev, 'dev');
      const place = admission.enter(immediate);
      return answers<ExportResponse>(signal, (out, signal) =>
        inTurn(place, {}, async (open) => {
          const onProgress = progressTo(out);
          const model = await inputs.model(request.model, { signal, onProgress });
          await within('model', () => models.of(model));
          const delta = await open(within('delta', () => inputs.delta(files, signal)));
          const folder = path.join(await open(inputs.inScratch(async (folder) => folder)), format);
          const read = (rows: GivenRows, field: string) => open(inputs.rows(rows, { field, labels: true }, signal));
          const dev = givenDev && (await read(givenDev, 'dev'));
          const train = dev ?? (givenTrain && (await read(givenTrain, 'train')));
          const evaluation = train && devRows({ train, dev, options });
          await place.turn(signal);
          const exporting = { format, model, delta, ...(dtype && { dtype }), onnxDtypes, evaluation, out: folder };
          const { notes, onnx = [] } = await follow(engine.exportModel(exporting, signal), onProgress);
          const artifacts = (await results.add(folder, format, signal)).map(artifactMessage);
          await out.send({ event: { case: 'result', value: { artifacts, notes, onnx: onnx.map(onnxMessage) } } });
        }),
      );
    },
  };
}

const progressTo =
  <M>(out: Answers<M | { event: { case: 'progress'; value: ReturnType<typeof progressMessage> } }>) =>
  (progress: StageProgress) =>
    out.progress({ event: { case: 'progress', value: progressMessage(progress) } });

function runIdOf(runId: string): string {
  if (RUN_ID.test(runId)) return runId;
  const wanted = '1 to 64 letters, digits, dots, underscores and hyphens, a letter or digit first';
  throw invalidValue({ field: 'run_id', value: shown(runId), expected: wanted });
}

async function claimed(runs: Runs, id: string, attempt: number | undefined, signal: AbortSignal): Promise<ClaimedRun> {
  const run = await runs.claim(id, attempt, signal);
  if (run !== undefined) return run;
  throw new RpcError(status.ABORTED, 'RUN_AT_WORK', `run_id ${id} is in use by another call: wait for it`);
}

function otherRun(id: string): RpcError {
  const message = `run_id ${id} belongs to a training with another model, data, mask or option: give another run_id`;
  return new RpcError(status.ALREADY_EXISTS, 'RUN_EXISTS', message);
}

/** Identity of a training: hash of everything that its parameters and files depend on. */
export async function keyOf(request: Omit<TrainRequest, 'out' | 'resume'>, sha256: string): Promise<string> {
  const { model, train, dev, mask, options } = request;
  const sets = [train, dev, dev && mismatchedRows(dev)];
  const rows = await Promise.all(sets.map((each) => each && readRowsIdentity(each)));
  return canonicalHash([modelIdentity(model, sha256), rows, mask, optionsIdentity(options)]);
}

const deltaInfo = (folder: string): DeltaInfo =>
  parseDeltaInfo(regularFileText(path.join(folder, DELTA_INFO)), DELTA_INFO);

function formatOf(format: string): ExportFormat {
  const found = EXPORT_FORMATS.find((each) => each === format);
  if (found !== undefined) return found;
  throw invalidValue({ field: 'format', value: shown(format), expected: `one of ${EXPORT_FORMATS.join(', ')}` });
}

function dtypeOf(dtype: string | undefined, format: ExportFormat): ExportDtype | undefined {
  if (dtype === undefined) return undefined;
  const wrong = (expected: string) => invalidValue({ field: 'dtype', value: shown(dtype), expected });
  if (format !== 'checkpoint') throw wrong('left out: it goes with format checkpoint');
  if (dtype === 'float32' || dtype === 'base') return dtype;
  throw wrong('float32 or base');
}
