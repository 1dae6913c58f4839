import type { CheckpointEvent, EpochEvent, RateEvent } from '../delta/training-options';
import { filtered } from '../foundation/follow';
import type { StageProgress, WarningEvent } from '../foundation/progress';

/** Events that an analysis or a scoring emits. */
export type AnalyzeEvent = StageProgress | WarningEvent;

/**
 * Events that a training emits. A resumed one first repeats those of its learning rate and its
 * evaluated epochs.
 */
export type TrainEvent = StageProgress | WarningEvent | RateEvent | EpochEvent | CheckpointEvent;

/** Events of an engine without its intervals, which only a chart of the time needs. */
export const withoutIntervals = <Event extends { kind: string }, Result>(events: AsyncGenerator<Event, Result>) =>
  filtered(events, (event): event is Exclude<Event, { kind: 'interval' }> => event.kind !== 'interval');
