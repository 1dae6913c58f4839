import * as fs from 'node:fs';
import { trace } from '@opentelemetry/api';
import { parseDeltaInfo } from '../delta/delta-info';
import type { ExportResult } from '../delta/export-request';
import type { TrainMetrics } from '../delta/training-options';
import { HifiError } from '../foundation/errors';
import type { HeadScores } from '../heads/scores';
import { selectHeads } from '../heads/select';
import type { Inputs } from '../infra/artifacts/inputs';
import type { ArtifactStore } from '../infra/artifacts/store';
import type { ProcessOptions } from '../infra/engine';
import type { CallAttempt } from '../infra/grpc/attempts';
import type { Calls } from '../infra/grpc/client';
import type { Room } from '../infra/grpc/workers';
import type { Telemetry } from '../infra/telemetry';
import { type JobSpec, type JobStages, scoringOf } from '../job/job';
import { artifactOf } from '../proto/artifact';
import { ReportView } from '../proto/gen/hifi/v1/analyzer_pb';
import type { Artifact } from '../proto/gen/hifi/v1/artifact_pb';
import type { TextDataset } from '../proto/gen/hifi/v1/dataset_pb';
import { TrainerService } from '../proto/gen/hifi/v1/trainer_pb';
import { reportOf } from '../proto/head-report';
import { maskMessage } from '../proto/mask';
import { onnxOf } from '../proto/onnx';
import { analysisMessage, scoreMessage, trainingMessage } from '../proto/options';
import { progressOf } from '../proto/progress';
import { scoresOf } from '../proto/scores';
import { epochOf, metricsOf } from '../proto/training';
import { writeReportInChild } from '../report/write-report';
import type { RecordPlace } from './record-results';
import { reportInputs } from './report-inputs';
import { analyzed, shardCount } from './sharded-analysis';
import { inSpec, SPEC_FIELDS } from './spec-fields';

/** Services and stores that a job's stages use. */
export interface Workers {
  analyzer: Calls & Pick<Room, 'size'>;
  trainer: Calls;
  artifacts: ArtifactStore;
  inputs: Inputs;
  telemetry: Telemetry;
  /** Supervision of the process that draws a report. */
  engineProcess: ProcessOptions;
}

/**
 * Stages of a job that call the analyzer's and the trainer's services; results go to `place`.
 *
 * @param attempt attempt at the job that each call names; the job is also the training's run
 */
export function remoteStages(attempt: CallAttempt, workers: Workers, place: RecordPlace): JobStages<TextDataset> {
  const { analyzer, trainer, artifacts, inputs, engineProcess, telemetry } = workers;
  const put = (artifact: Artifact) => place.put(artifactOf(artifact));
  return {
    async *analyze({ model, train: dataset, analysis }, signal) {
      const request = { model, dataset, options: analysisMessage(analysis), view: ReportView.FULL };
      const shards = shardCount(analysis, analyzer.size);
      const analysing = analyzed(request, shards, { analyzer, telemetry, attempt }, signal);
      const { report, warnings } = reportOf(yield* inSpec(analysing, SPEC_FIELDS.analysis));
      for (const message of warnings) yield { kind: 'warning', message };
      const { model: measured, samples, deviceUsed } = report;
      attribute({
        'model.sha256': measured.sha256,
        heads: measured.layers * measured.heads,
        samples,
        device_used: deviceUsed,
      });
      return report;
    },

    async *score(spec, { samples }, signal) {
      const { model, train, selection } = spec;
      const options = scoreMessage({ samples, ...scoringOf(spec) });
      const request = { model, train, strategy: selection.strategy, options };
      let scores: HeadScores | undefined;
      const messages = trainer.stream(TrainerService.method.scoreHeads, request, { signal, attempt, model });
      for await (const { event } of inSpec(messages, { ...SPEC_FIELDS.training, options: 'analysis' })) {
        if (event.case === 'progress') yield progressOf(event.value);
        if (event.case !== 'scores') continue;
        const scored = scoresOf(event.value);
        for (const message of scored.warnings) yield { kind: 'warning', message };
        scores = scored.scores;
      }
      return answered(scores, 'trainer');
    },

    select(measured, options) {
      const mask = selectHeads(measured, options);
      attribute({ strategy: mask.strategy, heads: mask.heads.length, share: mask.share });
      return mask;
    },

    async *train({ model, train, dev, training }, mask, signal) {
      const options = trainingMessage(training);
      const request = { runId: attempt.job, model, train, dev, mask: maskMessage(mask), options };
      let metrics: TrainMetrics | undefined;
      const messages = trainer.stream(TrainerService.method.train, request, { signal, attempt, model });
      for await (const { event } of inSpec(messages, SPEC_FIELDS.training)) {
        if (event.case === 'progress') yield progressOf(event.value);
        if (event.case === 'epoch') yield { kind: 'epoch', epoch: epochOf(event.value) };
        if (event.case === 'checkpoint') yield { kind: 'checkpoint', step: event.value.step };
        if (event.case === 'warning') yield { kind: 'warning', message: event.value };
        if (event.case !== 'result') continue;
        metrics = metricsOf(answered(event.value.metrics, 'trainer'));
        for (const artifact of event.value.artifacts) await put(artifact);
      }
      const { trainableParameters, deviceUsed, resumedFromStep, best } = answered(metrics, 'trainer');
      attribute({
        ...{ 'model.sha256': mask.model.sha256, strategy: mask.strategy, device_used: deviceUsed },
        ...{ trainable_parameters: trainableParameters, best_epoch: best.epoch, metric: best.value },
        ...(resumedFromStep !== null && { resumed_from_step: resumedFromStep }),
      });
      return answered(metrics, 'trainer');
    },

    async export({ model, train, dev, training, onnxDtypes }, format, signal) {
      const delta = {
        info: answered(place.find('delta/delta.json'), 'trainer').sha256,
        tensors: answered(place.find('delta/delta.safetensors'), 'trainer').sha256,
      };
      const rows = { train, dev, options: trainingMessage(training) };
      const request = { model, delta, format, ...(format === 'onnx' && { ...rows, onnxDtypes: [...onnxDtypes] }) };
      let result: ExportResult | undefined;
      const messages = trainer.stream(TrainerService.method.export, request, { signal, attempt, model });
      for await (const { event } of inSpec(messages, SPEC_FIELDS.training)) {
        if (event.case !== 'result') continue;
        const { artifacts, notes, onnx } = event.value;
        for (const artifact of artifacts) await put(artifact);
        result = { notes, ...(onnx.length > 0 && { onnx: onnx.map(onnxOf) }) };
      }
      return answered(result, 'trainer');
    },

    async report(spec, result, signal) {
      const parts = { ...result, asked: reportInputs(spec), ...(result.metrics && (await trained(spec, place))) };
      const drawn = await inputs.inScratch(async (folder) => {
        const files = await writeReportInChild(folder, parts, signal, engineProcess);
        for (const name of files) await place.put({ name, ...(await artifacts.add(`${folder}/${name}`)) });
      });
      await drawn.release();
    },
  };
}

/** Reads what a report shows of a training besides its metrics. */
async function trained({ training, exports }: JobSpec<TextDataset>, place: RecordPlace) {
  const [info, tensors] = ['delta/delta.json', 'delta/delta.safetensors'].map((name) =>
    answered(place.find(name), 'trainer'),
  );
  const taskHead = parseDeltaInfo(fs.readFileSync(await place.pathOf(info), 'utf8'), info.name);
  return { training, exports, deltaBytes: info.sizeBytes + tensors.sizeBytes, taskHead };
}

/** Adds attributes to the span of the current state. */
function attribute(attributes: Record<string, string | number>): void {
  const named = Object.entries(attributes).map(([name, value]) => [`hifi.${name}`, value]);
  trace.getActiveSpan()?.setAttributes(Object.fromEntries(named));
}

/** Returns a service's result. @throws HifiError FAILED if its answer ended without one */
function answered<T>(result: T | undefined, who: string): T {
  if (result === undefined) throw new HifiError('FAILED', `the ${who} ended without a result`);
  return result;
}
