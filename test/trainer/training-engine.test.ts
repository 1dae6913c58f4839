import * as fs from 'node:fs';
import * as path from 'node:path';
import { TRAIN_DEFAULTS, type TrainEvent, type TrainRequest } from '../../delta/training-options';
import type { Engine } from '../../infra/engine';
import { evaluate, exportModel, prepare, train, trainerEngine } from '../../trainer/training-engine';
import { drain } from '../analyzer/run';
import { temporaryFolder } from '../support/deltas';
import { deltaHash, devSentences, maskOf, model, sentences } from './runs';

const root = temporaryFolder('trainer-engine');
const options = { ...TRAIN_DEFAULTS, epochs: 2, batchSize: 8, lr: 2e-3, device: 'cpu' as const, threads: 2 };

const HEADS = [
  [1, 3],
  [0, 2, 4],
];

async function requestOf(heads: number[][], changed: Partial<TrainRequest['options']> = {}): Promise<TrainRequest> {
  const out = fs.mkdtempSync(path.join(root, 'run-'));
  const mask = await maskOf(heads);
  const rows = { train: sentences, dev: devSentences };
  return { model, ...rows, mask, options: { ...options, ...changed }, out, resume: false };
}

const graphOf = (events: TrainEvent[]) =>
  events.flatMap((event) => (event.kind === 'interval' && event.name === 'load' ? [event.attributes?.graph] : []));

describe('the engine of trainings', () => {
  let engine: Engine;
  /** Delta of a training of {@link HEADS} in a process of its own. */
  let delta: string;
  beforeAll(async () => {
    engine = trainerEngine();
    delta = await cold(await requestOf(HEADS));
  });
  afterAll(async () => {
    await engine.close();
    fs.rmSync(root, { recursive: true });
  });

  /** Trains in the engine's process. @returns how it got its graph, and the delta's hash */
  async function trained(request: TrainRequest) {
    const { events, result } = await drain(train(request, undefined, { engine }));
    return { graph: graphOf(events), delta: deltaHash(request.out), metrics: result };
  }
  /** Trains in a process of its own. */
  async function cold(request: TrainRequest) {
    const out = fs.mkdtempSync(path.join(root, 'cold-'));
    await drain(train({ ...request, out }));
    return deltaHash(out);
  }

  it('keeps its process and its graph for the next training with as many heads, with the bits of a cold one', async () => {
    await prepare(engine, { model, options });
    const { pid } = engine;
    expect(pid).toBeDefined();
    expect(await trained(await requestOf(HEADS))).toMatchObject({ graph: ['new'], delta });
    // Other heads, seed and learning rate: other weights in the same graph.
    const second = await requestOf(
      [
        [0, 2],
        [1, 2, 3],
      ],
      { seed: 1, lr: 1e-3 },
    );
    expect(await trained(second)).toMatchObject({ graph: ['kept'], delta: await cold(second) });
    expect(await trained(await requestOf(HEADS))).toMatchObject({ graph: ['kept'], delta });
    expect(await trained(await requestOf([[1], [0]]))).toMatchObject({ graph: ['new'] });
    expect(engine.pid).toBe(pid);
  });

  it('evaluates and merges in the same process', async () => {
    const request = await requestOf(HEADS);
    const { metrics } = await trained(request);
    const { pid } = engine;
    const folder = path.join(request.out, 'delta');
    const asked = { model, delta: folder, data: devSentences, options };
    const { result } = await drain(evaluate(asked, undefined, { engine }));
    expect(result.metrics.accuracy).toBe(metrics.best.value);
    const [here, alone] = ['here', 'alone'].map((name) => path.join(root, name));
    await drain(exportModel({ format: 'checkpoint', model, delta: folder, out: here }, undefined, { engine }));
    await drain(exportModel({ format: 'checkpoint', model, delta: folder, out: alone }));
    const weights = (out: string) => fs.readFileSync(path.join(out, 'model.safetensors'));
    expect(weights(here).equals(weights(alone))).toBe(true);
    expect(engine.pid).toBe(pid);
  });

  it('has another process after a cancellation and after a kill, and the run resumes to the same delta', async () => {
    const request = await requestOf(HEADS);
    const controller = new AbortController();
    const stopped = (async () => {
      for await (const event of train(request, controller.signal, { engine })) {
        if (event.kind === 'epoch') controller.abort();
      }
    })();
    await expect(stopped).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(engine.pid).toBeUndefined();
    const killed = (async () => {
      for await (const event of train({ ...request, resume: true }, undefined, { engine })) {
        if (event.kind === 'interval') process.kill(engine.pid!, 'SIGKILL');
      }
    })();
    await expect(killed).rejects.toMatchObject({ code: 'ENGINE_LOST' });
    const resumed = await trained({ ...request, resume: true });
    expect(resumed).toMatchObject({ graph: ['new'], delta });
    expect(resumed.metrics.resumedFromStep).toBeGreaterThan(0);
  });

  it('starts another process for another number of threads', async () => {
    const { pid } = engine;
    const request = await requestOf(HEADS, { threads: 1 });
    expect(await trained(request)).toMatchObject({ graph: ['new'], delta });
    expect(engine.pid).not.toBe(pid);
  });
});
