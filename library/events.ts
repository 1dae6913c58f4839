import type { CheckpointEvent, EpochEvent } from '../delta/training-options';
import { filtered } from '../foundation/follow';
import type { StageProgress, WarningEvent } from '../foundation/progress';

/** What an analysis or a scoring tells while it runs. */
export type AnalyzeEvent = StageProgress | WarningEvent;

/** What a training tells while it runs. One that is resumed first tells again of the epochs that it has judged. */
export type TrainEvent = StageProgress | WarningEvent | EpochEvent | CheckpointEvent;

/** What an engine tells without its intervals, which are for those who draw a picture of the time. */
export const told = <Event extends { kind: string }, Result>(events: AsyncGenerator<Event, Result>) =>
  filtered(events, (event): event is Exclude<Event, { kind: 'interval' }> => event.kind !== 'interval');
