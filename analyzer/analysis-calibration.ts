import { within } from '../foundation/errors';
import { peakResidentBytes } from '../foundation/process-memory';
import type { StageProgress } from '../foundation/progress';
import { timedStages } from '../foundation/stage-times';
import type { AnalysisCost } from '../heads/analysis-cost';
import { analysisOptions } from '../heads/analysis-options';
import type { AnalyzeRequest } from '../heads/analysis-request';
import { trialSequences } from '../model/trial-size';
import { analyze } from './pipeline';

/**
 * Measures an analysis on a part of its sample and scales the stages whose time grows with the
 * sample. Belongs in a process of its own: its start and its memory count.
 *
 * @throws as `analyze` does
 */
export async function* calibrateAnalysis(
  request: AnalyzeRequest,
  signal?: AbortSignal,
): AsyncGenerator<StageProgress, AnalysisCost> {
  const startSeconds = process.uptime();
  const options = analysisOptions(request.options ?? {});
  // Only the analysis itself determines the sample size of `auto`: its limit is the estimate.
  const requested = options.samples === 'auto' ? options.maxSamples : options.samples;
  const samples = Math.min(requested, await within('model', () => trialSequences(request.model)));
  const part = yield* timedStages(analyze({ ...request, options: { ...options, samples } }, signal));
  const { samples: measured, data } = part.result;
  const sequences = Math.min(requested, data.rows);
  const rest = sequences / measured - 1;
  return {
    sequences,
    measured,
    seconds: startSeconds + part.seconds + rest * (part.of('encode') + part.of('measure')),
    peakBytes: peakResidentBytes(),
  };
}
