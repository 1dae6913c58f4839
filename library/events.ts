import type { StageProgress, WarningEvent } from '../progress';
import type { CheckpointEvent, EpochEvent } from '../trainer/options';

/** What an analysis or a scoring tells while it runs. */
export type AnalyzeEvent = StageProgress | WarningEvent;

/** What a training tells while it runs. One that is resumed first tells again of the epochs that it has judged. */
export type TrainEvent = StageProgress | EpochEvent | CheckpointEvent;

/** What an engine tells without its intervals, which are for those who draw a picture of the time. */
export async function* told<Event extends { kind: string }, Result>(
  events: AsyncGenerator<Event, Result>,
): AsyncGenerator<Exclude<Event, { kind: 'interval' }>, Result> {
  try {
    for (;;) {
      const { done, value } = await events.next();
      if (done) return value;
      if (value.kind !== 'interval') yield value as Exclude<Event, { kind: 'interval' }>;
    }
  } finally {
    // Ends the engine when the reader leaves.
    await events.return(undefined as never);
  }
}
