import type { MessageInitShape } from '@bufbuild/protobuf';
import { HifiError, invalidPart, within } from '../foundation/errors';
import { follow } from '../foundation/follow';
import type { StageProgress } from '../foundation/progress';
import type { AnalysisEvent } from '../heads/analysis-request';
import type { Admission } from '../infra/admission';
import type { Inputs, Opened } from '../infra/artifacts/inputs';
import { type Answers, answers } from '../infra/grpc/answers';
import type { Implementation } from '../infra/grpc/handlers';
import type { ModelDescriptions } from '../model/description';
import { givenRowsOf, ofDataset } from '../proto/dataset';
import type { AnalyzeResponseSchema, AnalyzerService } from '../proto/gen/hifi/v1/analyzer_pb';
import { reportMessage, viewOf } from '../proto/head-report';
import { analysisOptionsOf } from '../proto/options';
import { progressMessage } from '../proto/progress';
import type { AnalyzerEngine } from './analysis-engine';
import { descriptionMessage } from './description-message';
import { shardOf } from './shard-message';
import { statisticsMessage, statisticsOf } from './statistics-message';

/** What the service is made of. */
export interface AnalyzerParts {
  engine: Pick<AnalyzerEngine, 'analyze' | 'analyzeShard' | 'merge'>;
  inputs: Inputs;
  models: ModelDescriptions;
  admission: Admission;
}

type Response = MessageInitShape<typeof AnalyzeResponseSchema>;

/** The analyzer's methods: requests are checked, the engine works, one call at a time; see `hifi/v1/analyzer.proto`. */
export function analyzerService({
  engine,
  inputs,
  models,
  admission,
}: AnalyzerParts): Implementation<typeof AnalyzerService> {
  /** Follows an engine's call. @returns its result, and what the user should know */
  async function followed<Result>(
    events: AsyncGenerator<AnalysisEvent, Result>,
    tell: (progress: StageProgress) => void = () => {},
  ): Promise<{ result: Result; warnings: string[] }> {
    const warnings: string[] = [];
    const result = await follow(events, (event) => {
      if (event.kind === 'progress') tell(event);
      if (event.kind === 'warning') warnings.push(event.message);
    });
    return { result, warnings };
  }

  return {
    analyze(request, { signal }) {
      const options = analysisOptionsOf(request.options);
      const shard = request.shard && shardOf(request.shard, options);
      const view = viewOf(request.view);
      const rows = givenRowsOf(request.dataset, 'dataset');
      const place = admission.enter();
      return answers<Response>(signal, async (out, signal) => {
        const opened: Opened<unknown>[] = [];
        const tell = progressTo(out);
        try {
          const model = await inputs.model(request.model, { signal, tell });
          await within('model', () => models.of(model)); // what is no model is told of before the call waits
          const data = await inputs.rows(rows, { field: 'dataset', labels: false }, signal);
          opened.push(data);
          await place.turn(signal);
          const asked = { model, data: data.what, options };
          if (shard) {
            const { result, warnings } = await followed(engine.analyzeShard({ ...asked, shard }, signal), tell);
            const value = statisticsMessage({ part: result, warnings });
            await out.send({ event: { case: 'statistics', value } });
          } else {
            const { result, warnings } = await followed(engine.analyze(asked, signal), tell);
            await out.send({ event: { case: 'report', value: reportMessage({ report: result, warnings }, view) } });
          }
        } catch (thrown) {
          throw ofDataset(thrown);
        } finally {
          place.leave();
          for (const each of opened) await each.release();
        }
      });
    },

    async mergeStatistics({ statistics, view: asked }, { signal }) {
      const view = viewOf(asked);
      if (statistics.length === 0) throw invalidPart('statistics', 'statistics is empty; it must have all shards');
      const told = statistics.map((each, i) => statisticsOf(each, `statistics[${i}]`));
      const place = admission.enter();
      try {
        await place.turn(signal);
        const parts = told.map(({ part }) => part);
        const { result, warnings } = await followed(engine.merge(parts, signal));
        const all = [...new Set([...told.flatMap((each) => each.warnings), ...warnings])];
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

const progressTo = (out: Answers<Response>) => (progress: StageProgress) =>
  out.progress({ event: { case: 'progress', value: progressMessage(progress) } });

/** Bad input to a merge is in the shards. */
function ofStatistics(thrown: unknown): unknown {
  if (thrown instanceof HifiError && thrown.code === 'INVALID_INPUT') thrown.field ??= 'statistics';
  return thrown;
}
