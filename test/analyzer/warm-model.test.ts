import * as fs from 'node:fs';
import * as path from 'node:path';
import { AnalyzerEngine } from '../../analyzer/analysis-engine';
import { loadModel } from '../../analyzer/loaded-model';
import { WarmModel } from '../../analyzer/warm-model';
import type { AnalyzeRequest } from '../../heads/analysis-request';
import { temporaryFolder } from '../support/deltas';
import { drain, fixture, GOLDEN_OPTIONS, run, TRAIN } from './run';

const root = temporaryFolder('warm');
afterAll(() => fs.rmSync(root, { recursive: true }));
const copyOf = (name: string) => {
  const folder = fs.mkdtempSync(path.join(root, `${name}-`));
  fs.cpSync(fixture(name), folder, { recursive: true });
  return folder;
};
const requestFor = (model: string, options = {}): AnalyzeRequest => ({
  model,
  data: TRAIN,
  options: { ...GOLDEN_OPTIONS, ...options },
});
const SETTINGS = { device: 'cpu', exact: false, threads: 1 } as const;

/** Replaces the weights in a file of the same name and size: halves the last numbers. */
function changeWeights(folder: string): void {
  const file = path.join(folder, 'model.safetensors');
  const bytes = fs.readFileSync(file);
  for (let at = bytes.length - 4 * 20_000; at < bytes.length; at += 4)
    bytes.writeFloatLE(bytes.readFloatLE(at) / 2, at);
  fs.writeFileSync(`${file}.new`, bytes);
  fs.renameSync(`${file}.new`, file);
}

describe('an engine that runs several analyses', () => {
  const engine = new AnalyzerEngine();
  afterAll(() => engine.close());

  /** Report of the engine, which must have the bits of a run that loads the model. */
  async function checked(request: AnalyzeRequest) {
    const { result } = await drain(engine.analyze(request));
    const { result: cold } = await run(request);
    expect({ ...result, elapsedSeconds: 0 }).toEqual({ ...cold, elapsedSeconds: 0 });
    return result;
  }

  it('gives the bits of a cold run: again, with other options, for another model and for the first again', async () => {
    const [bert, roberta] = [copyOf('tiny-bert'), copyOf('tiny-roberta')];
    const first = await checked(requestFor(bert));
    const { pid } = engine;
    expect((await checked(requestFor(bert))).pagerank).toEqual(first.pagerank);
    await checked(requestFor(bert, { samples: 20, seed: 5, xi: 0.8, maxLength: 9 }));
    await checked(requestFor(bert, { exact: true }));
    await checked(requestFor(roberta, { samples: 'auto' }));
    await checked({ ...requestFor(bert), modelName: 'by another name' });
    expect(engine.pid).toBe(pid);
  });

  it('notices a replaced file of the model', async () => {
    const folder = copyOf('tiny-bert');
    const before = await checked(requestFor(folder));
    changeWeights(folder);
    const after = await checked(requestFor(folder));
    expect(after.model.sha256).not.toBe(before.model.sha256);
    expect(after.richness).not.toEqual(before.richness);
    const config = path.join(folder, 'tokenizer_config.json');
    fs.writeFileSync(
      config,
      JSON.stringify({ ...JSON.parse(fs.readFileSync(config, 'utf8')), truncation_side: 'left' }),
    );
    await checked(requestFor(folder, { maxLength: 6 }));
    fs.rmSync(path.join(folder, 'model.safetensors'));
    await expect(drain(engine.analyze(requestFor(folder)))).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    await checked(requestFor(fixture('tiny-bert')));
  });

  it('gives the same report after a cancelled and a failed analysis', async () => {
    const request = requestFor(fixture('tiny-bert'));
    await checked(request);
    for await (const event of engine.analyze(request)) {
      if (event.kind === 'progress' && event.stage === 'measure') break;
    }
    await checked(request);
    const missing = { ...request, data: { ...TRAIN, path: path.join(root, 'no-rows.tsv') } };
    await expect(drain(engine.analyze(missing))).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    await checked(request);
  });
});

describe('the warm model', () => {
  it('is reused only for the same files and settings', async () => {
    const folder = copyOf('sharded-bert');
    const models = new WarmModel();
    const first = await models.take(folder, SETTINGS);
    expect(await models.take(`${folder}/.`, { ...SETTINGS })).toBe(first);
    const other = await models.take(folder, { ...SETTINGS, threads: 2 });
    expect(other).not.toBe(first);
    const [shard] = fs.readdirSync(folder).filter((name) => name.endsWith('.safetensors'));
    fs.utimesSync(path.join(folder, shard), new Date(), new Date());
    const renewed = await models.take(folder, { ...SETTINGS, threads: 2 });
    expect(renewed).not.toBe(other);
    renewed.encoder.sound = false;
    const last = await models.take(folder, { ...SETTINGS, threads: 2 });
    expect(last).not.toBe(renewed);
    await last.release();
  });

  it('is loaded after the release of the one before', async () => {
    const models = new WarmModel();
    const first = await models.take(fixture('tiny-bert'), SETTINGS);
    const order: string[] = [];
    const release = jest.spyOn(first, 'release').mockImplementation(async () => {
      order.push('released');
    });
    const wrong = models.take(path.join(root, 'nothing'), SETTINGS).catch(() => order.push('refused'));
    await wrong;
    expect(order).toEqual(['released', 'refused']);
    const again = await models.take(fixture('tiny-bert'), SETTINGS);
    expect(again).not.toBe(first);
    release.mockRestore();
    await Promise.all([first.release(), again.release()]);
  });

  it('does not need its files once it is loaded', async () => {
    const folder = copyOf('tiny-bert');
    const model = await loadModel(folder, SETTINGS);
    fs.rmSync(folder, { recursive: true });
    const { lengths } = await model.encoder.run({
      ids: Int32Array.of(1, 2),
      typeIds: new Int32Array(2),
      mask: Int32Array.of(1, 1),
      lengths: Int32Array.of(2),
      B: 1,
      S: 2,
    });
    expect([...lengths]).toEqual([2]);
    await model.release();
  });
});
