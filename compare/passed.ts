import type { StageProgress } from '../progress';

/** An engine's progress, told on; its other events, warnings of a small sample among them, are of no use here. */
export async function* passed<Result>(
  events: AsyncGenerator<{ kind: string }, Result>,
): AsyncGenerator<StageProgress, Result> {
  try {
    for (;;) {
      const { done, value } = await events.next();
      if (done) return value;
      if (value.kind === 'progress') yield value as StageProgress;
    }
  } finally {
    await events.return(undefined as never);
  }
}
