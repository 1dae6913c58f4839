import { openTelemetry, type Telemetry } from '../../../infra/telemetry';
import { engineSpans } from '../../../infra/telemetry/engine-spans';
import type { Interval } from '../../../infra/telemetry/intervals';
import { currentTraceparent } from '../../../infra/telemetry/traceparent';
import { recorder } from './recorder';

const PARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

type Event =
  | Interval
  | { kind: 'progress'; stage: string; done: number; total: number; unit: string }
  | { kind: 'epoch'; epoch: number };

const progress = (done: number): Event => ({ kind: 'progress', stage: 'train', done, total: 9, unit: 'steps' });

async function* engine(end: () => void): AsyncGenerator<Event, string> {
  try {
    yield { kind: 'interval', name: 'hifi.prefix', from: 1e12, to: 1e12 + 5 };
    yield progress(1);
    yield { kind: 'epoch', epoch: 1 };
    yield progress(2);
    return 'result';
  } finally {
    end();
  }
}

/** Telemetry that records spans in memory; only a caller's traceparent makes a span active. */
function telemetryOf() {
  const { spans, record } = recorder();
  return { spans, telemetry: { ...openTelemetry('trainer'), on: true, record } satisfies Telemetry };
}

it('forwards all events except intervals, and records intervals and windows below the active span', async () => {
  const { spans, telemetry } = telemetryOf();
  const end = jest.fn();
  const events = await telemetry.inSpan('call', { parent: PARENT }, async () => engineSpans(telemetry, engine(end)));
  expect(currentTraceparent()).toBeUndefined();
  const seen: string[] = [];
  for (;;) {
    const { done, value } = await events.next();
    if (done) {
      expect(value).toBe('result');
      break;
    }
    seen.push(value.kind);
  }
  expect(seen).toEqual(['progress', 'epoch', 'progress']);
  expect(spans).toEqual([
    expect.objectContaining({ name: 'hifi.prefix', parent: PARENT }),
    expect.objectContaining({ name: 'hifi.train.window', parent: PARENT, attributes: { 'hifi.steps': 2 } }),
  ]);
  expect(end).toHaveBeenCalledTimes(1);
});

it('records the last window and ends the engine when a reader stops or the engine fails', async () => {
  const { spans, telemetry } = telemetryOf();
  const end = jest.fn();
  for await (const event of engineSpans(telemetry, engine(end))) if (event.kind === 'epoch') break;
  expect(end).toHaveBeenCalledTimes(1);
  async function* failing(): AsyncGenerator<Event, string> {
    yield progress(3);
    throw new Error('the engine died');
  }
  const reading = async () => {
    for await (const event of engineSpans(telemetry, failing())) void event;
  };
  await expect(reading()).rejects.toThrow('the engine died');
  expect(spans.map(({ name }) => name)).toEqual(['hifi.prefix', 'hifi.train.window', 'hifi.train.window']);
});
