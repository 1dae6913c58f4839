import { failed } from '../foundation/errors';
import type { StageProgress } from '../foundation/progress';
import type { Calls } from '../infra/grpc/client';
import { type Calibrations, scoringToMeasure } from '../job/estimate';
import { analysisCostOf, trainingCostOf } from '../proto/costs';
import { AnalyzerService } from '../proto/gen/hifi/v1/analyzer_pb';
import type { TextDataset } from '../proto/gen/hifi/v1/dataset_pb';
import type { Progress } from '../proto/gen/hifi/v1/progress_pb';
import { TrainerService } from '../proto/gen/hifi/v1/trainer_pb';
import { analysisMessage, scoreMessage, selectionMessage, trainingMessage } from '../proto/options';
import { progressOf } from '../proto/progress';
import { inSpec, SPEC_FIELDS, type SpecFields } from './spec-fields';

/** Measurements by the analyzer's and the trainer's services. */
export function remoteCalibrations(analyzer: Calls, trainer: Calls): Calibrations<TextDataset> {
  return {
    analysis({ model, train: dataset, analysis }, signal) {
      const request = { model, dataset, options: analysisMessage(analysis) };
      const messages = analyzer.stream(AnalyzerService.method.calibrateAnalysis, request, { signal });
      return costOf(messages, analysisCostOf, 'analyzer', SPEC_FIELDS.analysis);
    },
    training(spec, signal) {
      const { model, train, dev } = spec;
      const request = {
        ...{ model, train, dev },
        selection: selectionMessage(spec.selection),
        options: trainingMessage(spec.training),
        scoring: scoreMessage(scoringToMeasure(spec)),
      };
      const messages = trainer.stream(TrainerService.method.calibrateTraining, request, { signal });
      return costOf(messages, trainingCostOf, 'trainer', SPEC_FIELDS.training);
    },
  };
}

/** Message of a calibration's stream. */
interface Message<Result> {
  event: { case: 'progress'; value: Progress } | { case: 'result'; value: Result } | { case: undefined };
}

/**
 * Reads the answers of a calibration.
 *
 * @throws RpcError the service's error; HifiError FAILED if it ends without a result
 */
async function* costOf<Result, Cost>(
  messages: AsyncIterable<Message<Result>>,
  convert: (result: Result) => Cost,
  service: string,
  fields: SpecFields,
): AsyncGenerator<StageProgress, Cost> {
  let cost: Cost | undefined;
  for await (const { event } of inSpec(messages, fields)) {
    if (event.case === 'progress') yield progressOf(event.value);
    if (event.case === 'result') cost = convert(event.value);
  }
  if (cost === undefined) throw failed(`the ${service} ended without a result`);
  return cost;
}
