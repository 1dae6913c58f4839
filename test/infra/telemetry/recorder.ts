import type { RecordedSettings } from '../../../infra/telemetry';

/** A span as it was told of. */
export interface RecordedSpan extends RecordedSettings {
  name: string;
  from: number;
  to: number;
}

/** Keeps what it is told of, in order. */
export function recorder() {
  const spans: RecordedSpan[] = [];
  const record = (name: string, from: number, to: number, settings: RecordedSettings = {}) => {
    spans.push({ name, from, to, ...settings });
  };
  return { spans, record };
}
