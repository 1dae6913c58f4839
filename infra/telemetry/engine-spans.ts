import { relayed } from '../../foundation/follow';
import type { StageProgress } from '../../foundation/progress';
import { type Interval, IntervalSpans } from './intervals';
import type { Telemetry } from './spans';
import { currentTraceparent } from './traceparent';
import { TrainingWindows, type TrainingWindowsSettings } from './training-windows';

/**
 * Forwards an engine's events and records its intervals and training windows as spans below the
 * span that is active now. The last spans are recorded when the events end, also by an error.
 *
 * @returns the engine's events without the intervals, and its result
 * @throws the engine's error
 */
export function engineSpans<Event extends { kind: string }, Result>(
  telemetry: Telemetry,
  events: AsyncGenerator<Event, Result>,
  settings: TrainingWindowsSettings = {},
): AsyncGenerator<Exclude<Event, Interval>, Result> {
  // Read here because the generator runs in its reader's context.
  const parent = settings.parent ?? currentTraceparent();
  return recordedEvents(
    events,
    new IntervalSpans(telemetry, { parent }),
    new TrainingWindows(telemetry, { ...settings, parent }),
  );
}

async function* recordedEvents<Event extends { kind: string }, Result>(
  events: AsyncGenerator<Event, Result>,
  intervals: IntervalSpans,
  windows: TrainingWindows,
): AsyncGenerator<Exclude<Event, Interval>, Result> {
  try {
    return yield* relayed(events, function* (event) {
      if (isInterval(event)) {
        intervals.add(event);
        windows.pause(event.to);
        return;
      }
      if (isProgress(event)) windows.add(event);
      yield event as Exclude<Event, Interval>;
    });
  } finally {
    intervals.end();
    windows.end();
  }
}

const isInterval = (event: { kind: string }): event is Interval => event.kind === 'interval';

const isProgress = (event: { kind: string }): event is StageProgress & { tokens?: number } => event.kind === 'progress';
