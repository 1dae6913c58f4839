import type { MessageInitShape } from '@bufbuild/protobuf';
import type { DataSource } from '../data/dataset';
import type { GivenRows } from '../data/given-rows';
import { HifiError, invalidPart, within } from '../foundation/errors';
import { follow } from '../foundation/follow';
import type { StageProgress } from '../foundation/progress';
import type { AnalysisEvent } from '../heads/analysis-request';
import { Admission, type Ticket } from '../infra/admission';
import type { Inputs, Opened } from '../infra/artifacts/inputs';
import { type Answers, answers } from '../infra/grpc/answers';
import type { Implementation } from '../infra/grpc/handlers';
import type { ModelDescriptions } from '../model/description';
import { analysisCostMessage } from '../proto/costs';
import { givenRowsOf } from '../proto/dataset';
import type {
  AnalyzeResponseSchema,
  AnalyzerService,
  CalibrateAnalysisResponseSchema,
} from '../proto/gen/hifi/v1/analyzer_pb';
import { reportMessage, viewOf } from '../proto/head-report';
import { ofMessage } from '../proto/message-field';
import { analysisOptionsOf } from '../proto/options';
import { progressMessage } from '../proto/progress';
import type { AnalyzerEngine, calibrateAnalysis } from './analysis-engine';
import { descriptionMessage } from './description-message';
import { checkShardSizes, shardOf } from './shard-message';
import { statisticsMessage, statisticsOf } from './statistics-message';

/** Dependencies of the service. */
export interface AnalyzerParts {
  engine: Pick<AnalyzerEngine, 'analyze' | 'analyzeShard' | 'merge'>;
  /** Calibrates in a process of its own. */
  calibrate: typeof calibrateAnalysis;
  inputs: Inputs;
  models: ModelDescriptions;
  /** Turns of analyses and merges. A calibration waits for other calibrations alone. */
  admission: Admission;
}

type Response = MessageInitShape<typeof AnalyzeResponseSchema>;
type CalibrateResponse = MessageInitShape<typeof CalibrateAnalysisResponseSchema>;
type OnProgress = (progress: StageProgress) => void;

/** A call, and what it names. */
interface Turn {
  model: string;
  rows: GivenRows;
  place: Ticket;
  signal: AbortSignal;
  onProgress: OnProgress;
}

/**
 * Methods of the analyzer. They check requests; the engine runs one call at a time. See
 * `hifi/v1/analyzer.proto`.
 */
export function analyzerService({
  engine,
  calibrate,
  inputs,
  models,
  admission,
}: AnalyzerParts): Implementation<typeof AnalyzerService> {
  const calibrations = new Admission();
  /** Follows an engine's call. @returns its result and its warnings */
  async function followed<Result>(
    events: AsyncGenerator<AnalysisEvent, Result>,
    onProgress: OnProgress = () => {},
  ): Promise<{ result: Result; warnings: string[] }> {
    const warnings: string[] = [];
    const result = await follow(events, (event) => {
      if (event.kind === 'progress') onProgress(event);
      if (event.kind === 'warning') warnings.push(event.message);
    });
    return { result, warnings };
  }

  /** Makes model and rows ready, and gives them to `work` at the call's turn. */
  async function inTurn(
    { model: name, rows, place, signal, onProgress }: Turn,
    work: (sources: { model: string; data: DataSource }, onProgress: OnProgress) => Promise<void>,
  ): Promise<void> {
    let opened: Opened<DataSource> | undefined;
    try {
      const model = await inputs.model(name, { signal, onProgress });
      await within('model', () => models.of(model)); // reports an invalid model early
      opened = await inputs.rows(rows, { field: 'dataset', labels: false }, signal);
      await place.turn(signal);
      await work({ model, data: opened.what }, onProgress);
    } catch (thrown) {
      throw ofMessage(thrown);
    } finally {
      place.leave();
      await opened?.release();
    }
  }

  return {
    analyze(request, { signal, immediate }) {
      const options = analysisOptionsOf(request.options);
      const shard = request.shard && shardOf(request.shard, options);
      const view = viewOf(request.view);
      const rows = givenRowsOf(request.dataset, 'dataset');
      const place = admission.enter(immediate);
      return answers<Response>(signal, (out, signal) =>
        inTurn(
          { model: request.model, rows, place, signal, onProgress: progressTo(out) },
          async (sources, onProgress) => {
            const analysis = { ...sources, options };
            if (shard) {
              checkShardSizes(shard, await models.of(sources.model), options);
              const { result, warnings } = await followed(
                engine.analyzeShard({ ...analysis, shard }, signal),
                onProgress,
              );
              const value = statisticsMessage({ part: result, warnings });
              await out.send({ event: { case: 'statistics', value } });
            } else {
              const { result, warnings } = await followed(engine.analyze(analysis, signal), onProgress);
              await out.send({ event: { case: 'report', value: reportMessage({ report: result, warnings }, view) } });
            }
          },
        ),
      );
    },

    calibrateAnalysis(request, { signal, immediate }) {
      const options = analysisOptionsOf(request.options);
      const rows = givenRowsOf(request.dataset, 'dataset');
      const place = calibrations.enter(immediate);
      return answers<CalibrateResponse>(signal, (out, signal) =>
        inTurn(
          { model: request.model, rows, place, signal, onProgress: progressTo(out) },
          async (sources, onProgress) => {
            const cost = await follow(calibrate({ ...sources, options }, signal), onProgress);
            await out.send({ event: { case: 'result', value: analysisCostMessage(cost) } });
          },
        ),
      );
    },

    async mergeStatistics({ statistics, view: requested }, { signal, immediate }) {
      const view = viewOf(requested);
      if (statistics.length === 0) throw invalidPart('statistics', 'statistics is empty; it must have all shards');
      const parsed = statistics.map((each, i) => statisticsOf(each, `statistics[${i}]`));
      const place = admission.enter(immediate);
      try {
        await place.turn(signal);
        const parts = parsed.map(({ part }) => part);
        const { result, warnings } = await followed(engine.merge(parts, signal));
        const all = [...new Set([...parsed.flatMap((each) => each.warnings), ...warnings])];
        return { report: reportMessage({ report: result, warnings: all }, view) };
      } catch (thrown) {
        throw ofStatistics(thrown);
      } finally {
        place.leave();
      }
    },

    async describeModel({ model }, { signal }) {
      const folder = await inputs.model(model, { signal });
      return descriptionMessage(await within('model', () => models.of(folder)));
    },
  };
}

const progressTo =
  <M>(out: Answers<M | { event: { case: 'progress'; value: ReturnType<typeof progressMessage> } }>): OnProgress =>
  (progress) =>
    out.progress({ event: { case: 'progress', value: progressMessage(progress) } });

/** Names the shards as the field of invalid input to a merge. */
function ofStatistics(thrown: unknown): unknown {
  if (thrown instanceof HifiError && thrown.code === 'INVALID_INPUT') thrown.field ??= 'statistics';
  return thrown;
}
