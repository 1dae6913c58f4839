import * as path from 'node:path';
import { analyze } from '../../analyzer/pipeline';
import type { DataSource } from '../../data/dataset';
import { ANALYSIS_DEFAULTS } from '../../heads/analysis-options';
import type { AnalysisEvent, AnalyzeRequest } from '../../heads/analysis-request';

/** Models and data of the analyzer's tests, see test/fixtures/README.md. */
export const fixture = (name: string) => path.join(__dirname, '../fixtures', name);
export const TRAIN: DataSource = { path: fixture('tiny-data/train.tsv'), textColumns: ['sentence'] };
export const PAIRS: DataSource = { path: fixture('tiny-data/pairs.tsv'), textColumns: ['text_a', 'text_b'] };

/** Options of the golden files. */
export const GOLDEN_OPTIONS = { ...ANALYSIS_DEFAULTS, samples: 60, maxLength: 32, device: 'cpu' as const, threads: 2 };

/** Runs a generator to its end. @returns its events and its result */
export async function drain<Event, Result>(generator: AsyncGenerator<Event, Result>) {
  const events: Event[] = [];
  for (;;) {
    const step = await generator.next();
    if (step.done) return { events, result: step.value };
    events.push(step.value);
  }
}

export const run = (request: AnalyzeRequest, signal?: AbortSignal) => drain(analyze(request, signal));

export const warningsOf = (events: AnalysisEvent[]) =>
  events.flatMap((event) => (event.kind === 'warning' ? [event.message] : []));
