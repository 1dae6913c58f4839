import type { RecordedSettings } from '../../../infra/telemetry';

/** Span that was recorded. */
export interface RecordedSpan extends RecordedSettings {
  name: string;
  from: number;
  to: number;
}

/** Recorder that keeps spans in memory, in order. */
export function recorder() {
  const spans: RecordedSpan[] = [];
  const record = (name: string, from: number, to: number, settings: RecordedSettings = {}) => {
    spans.push({ name, from, to, ...settings });
  };
  return { spans, record };
}
