import type { StageProgress } from '../progress';
import type { EpochMetrics } from '../trainer/options';

/** What an analysis or a scoring tells while it runs. */
export type AnalyzeEvent = StageProgress | WarningEvent;

/** What a training tells while it runs. One that is resumed first tells again of the epochs that it has judged. */
export type TrainEvent = StageProgress | EpochEvent | CheckpointEvent;

/** Something that the caller should know. */
export interface WarningEvent {
  kind: 'warning';
  /** One line. */
  message: string;
}

/** An epoch has been judged. */
export interface EpochEvent {
  kind: 'epoch';
  epoch: EpochMetrics;
}

/** The training was saved: with `resume` a cut after this loses nothing before it. */
export interface CheckpointEvent {
  kind: 'checkpoint';
  /** Steps done, from the first epoch on. */
  step: number;
}

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
