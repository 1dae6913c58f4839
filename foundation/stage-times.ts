import type { StageProgress } from './progress';

/** Result of some work, with its times. */
export interface StageTimes<Result> {
  result: Result;
  /** Wall time of all of it. */
  seconds: number;
  /** Wall time of a stage, from its first event to its last; 0 for a stage without events. */
  of(stage: string): number;
}

/** Reads long work to its end, measures it and passes its progress on. */
export async function* timedStages<Result>(
  events: AsyncGenerator<StageProgress | { kind: 'interval' | 'warning' }, Result>,
): AsyncGenerator<StageProgress, StageTimes<Result>> {
  const started = performance.now();
  const stages = new Map<string, { from: number; to: number }>();
  try {
    for (;;) {
      const { done, value } = await events.next();
      const now = performance.now();
      if (done) {
        const of = (stage: string) => {
          const { from, to } = stages.get(stage) ?? { from: 0, to: 0 };
          return (to - from) / 1000;
        };
        return { result: value, seconds: (now - started) / 1000, of };
      }
      if (value.kind !== 'progress') continue;
      stages.set(value.stage, { from: stages.get(value.stage)?.from ?? now, to: now });
      yield value;
    }
  } finally {
    // Ends the work when the reader leaves.
    await events.return(undefined as never);
  }
}
