import * as fs from 'node:fs';
import * as path from 'node:path';
import { writeDelta } from '../../delta/delta';
import { follow, resultOf } from '../../foundation/follow';
import { Classifier } from '../../inference/classifier';
import { ClassifyEngine } from '../../inference/classify-engine';
import type { ClassifyRequest } from '../../inference/classify-request';
import { WARM_MEMORY } from '../../inference/warm-memory';
import { openCheckpoint } from '../../model/checkpoint';
import { FIXTURES, randomDelta, temporaryFolder } from '../support/deltas';

const folder = temporaryFolder('classify-engine');
const model = path.join(FIXTURES, 'tiny-bert');
const deltas = Array.from({ length: 64 }, (_, i) => path.join(folder, `${i}`));
const [delta] = deltas;

beforeAll(async () => {
  const checkpoint = await openCheckpoint(model);
  const drawn = randomDelta(checkpoint, { heads: [[0], [1, 2]], labels: ['a', 'b'] });
  // Each window begins a token after the one before it.
  const options = { ...drawn.info.options, maxLength: 64, longTexts: 'windows', stride: 61 };
  for (const each of deltas) writeDelta(each, { ...drawn, info: { ...drawn.info, options } });
  checkpoint.close();
});
afterAll(() => fs.rmSync(folder, { recursive: true }));

const short: ClassifyRequest = { model, deltas: [delta], texts: ['cold'] };
/** Text of at least this many windows, of which a batch has 64 for one delta, one for 64 deltas. */
const textOf = (windows: number) => 'cold '.repeat(windows + 61);

/** Number of events of a call. */
async function eventsOf(classifier: Classifier, requests: readonly ClassifyRequest[]): Promise<number> {
  let events = 0;
  await follow(classifier.classify(requests), () => {
    events++;
  });
  return events;
}

describe('a call of the classifier', () => {
  const classifier = new Classifier(2, WARM_MEMORY);

  it('has an event before each batch but the first', async () => {
    expect(await eventsOf(classifier, [short])).toBe(0);
    expect(await eventsOf(classifier, [short, short])).toBe(0);
    expect(await eventsOf(classifier, [{ ...short, texts: [textOf(129)] }])).toBe(2);
    expect(await eventsOf(classifier, [{ ...short, deltas, texts: [textOf(3)] }, short])).toBe(3);
  });

  it('ends at an event when its signal aborts; the next one answers the same', async () => {
    const expected = await resultOf(classifier.classify([short]));
    const leaving = new AbortController();
    const call = classifier.classify([{ ...short, texts: [textOf(129)] }, short], leaving.signal);
    expect(await call.next()).toEqual({ done: false, value: undefined });
    leaving.abort();
    await expect(call.next()).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(await resultOf(classifier.classify([short]))).toEqual(expected);
  });
});

describe('a call of the engine', () => {
  const turn = () => new Promise(setImmediate);
  const engine = new ClassifyEngine();
  afterAll(() => engine.close());

  it('ends when nobody waits for it any more, and its process stays', async () => {
    const expected = await engine.classify(short);
    const { pid } = engine;
    await turn();
    const leaving = new AbortController();
    // An idle engine runs it at once; it takes minutes.
    const long = engine.classify({ ...short, deltas, texts: [textOf(20_000)] }, leaving.signal);
    leaving.abort();
    await expect(long).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(await engine.classify(short)).toEqual(expected);
    expect(engine.pid).toBe(pid);
  });

  it('goes on for one caller when another leaves', async () => {
    const request = { ...short, texts: [textOf(500)] };
    const expected = await engine.classify(request);
    await turn();
    const leaving = new AbortController();
    const first = engine.classify(short);
    const second = engine.classify(request, leaving.signal);
    const third = engine.classify(request);
    // The other two share the next call.
    await first;
    await turn();
    leaving.abort();
    await expect(second).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(await third).toEqual(expected);
  });
});
