import { HifiError } from '../foundation/errors';
import type { StageProgress } from '../foundation/progress';
import { progressOf } from './engine-progress';

/**
 * Result of a training, or its failure: one whose loss is not finite is a failed run and does not
 * end the comparison.
 */
export async function* unlessDiverged<Result>(
  events: AsyncGenerator<{ kind: string }, Result>,
): AsyncGenerator<StageProgress, { result?: Result; failure?: string }> {
  try {
    return { result: yield* progressOf(events) };
  } catch (thrown) {
    const error = HifiError.from(thrown);
    if (error.code !== 'DIVERGED') throw thrown;
    return { failure: error.message };
  }
}
