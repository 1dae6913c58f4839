import { relayed } from '../../foundation/follow';
import type { StageProgress } from '../../foundation/progress';
import { type Interval, IntervalSpans } from './intervals';
import type { Telemetry } from './spans';
import { currentTraceparent } from './traceparent';
import { TrainingWindows, type TrainingWindowsSettings } from './training-windows';

/**
 * Passes an engine's events on, and shows them in the trace below the span that is active now: intervals, which end here, and
 * the windows of a training. What is open is told when the events end, however they end.
 *
 * @returns the engine's events but for its intervals, and its result
 * @throws what the engine throws
 */
export function engineSpans<Event extends { kind: string }, Result>(
  telemetry: Telemetry,
  events: AsyncGenerator<Event, Result>,
  settings: TrainingWindowsSettings = {},
): AsyncGenerator<Exclude<Event, Interval>, Result> {
  // Here and not in the generator: that runs in the context of whoever reads it.
  const parent = settings.parent ?? currentTraceparent();
  return passed(
    events,
    new IntervalSpans(telemetry, { parent }),
    new TrainingWindows(telemetry, { ...settings, parent }),
  );
}

async function* passed<Event extends { kind: string }, Result>(
  events: AsyncGenerator<Event, Result>,
  intervals: IntervalSpans,
  windows: TrainingWindows,
): AsyncGenerator<Exclude<Event, Interval>, Result> {
  try {
    return yield* relayed(events, function* (event) {
      if (isInterval(event)) {
        intervals.take(event);
        windows.otherwise(event.to);
        return;
      }
      if (isProgress(event)) windows.take(event);
      yield event as Exclude<Event, Interval>;
    });
  } finally {
    intervals.end();
    windows.end();
  }
}

const isInterval = (event: { kind: string }): event is Interval => event.kind === 'interval';

const isProgress = (event: { kind: string }): event is StageProgress & { tokens?: number } => event.kind === 'progress';
