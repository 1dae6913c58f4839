import { fork } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { writeDemoData } from '../../cli/demo/grammar';
import { BASELINES } from '../../compare/baselines';
import { randomStream } from '../../data/random';
import { readDataset } from '../../data/read';
import { readDelta } from '../../delta/delta';
import type { TrainEvent } from '../../delta/training-options';
import { tuningOf } from '../../delta/tuning';
import { follow } from '../../foundation/follow';
import { loadTensorFlow } from '../../infra/tensorflow';
import { openCheckpoint } from '../../model/checkpoint';
import { loadTokenizer } from '../../model/tokenizer';
import { evaluate, predict } from '../../trainer/inference';
import { train } from '../../trainer/pipeline';
import { Program } from '../../trainer/program';
import { clearState } from '../../trainer/state';
import { TokenRows } from '../../trainer/token-rows';
import { trainable } from '../../trainer/trainable';
import { Training } from '../../trainer/training';
import { deltaHash, devSentences, maskOf, model, runs, sentences, TINY_DATA } from './runs';

const tf = loadTensorFlow();
const { folder, request, finish } = runs(tf);
let sentenceRows = 0;
beforeAll(async () => {
  sentenceRows = (await readDataset(sentences, 'labels')).rows;
});

function writeRows(rows: [text: string, label: string][]): string {
  const file = path.join(folder(), 'rows.tsv');
  fs.writeFileSync(file, `sentence\tlabel\n${rows.map((row) => row.join('\t')).join('\n')}\n`);
  return file;
}

it('leaves a delta and metrics, and no tensor', async () => {
  const what = await request();
  await finish(what);
  const before = tf.getNumOfTensors();
  const again = await request();
  const { metrics, events } = await finish(again);
  expect(tf.getNumOfTensors()).toBe(before);
  expect(deltaHash(again.out)).toBe(deltaHash(what.out));
  expect(metrics.epochs.map(({ epoch }) => epoch)).toEqual([1, 2, 3]);
  expect(metrics.trainableParameters).toBe(5 * (3 * 9 * 45 + 2 * 9));
  expect(metrics.taskHeadParameters).toBe(45 * 45 + 45 + 2 * 45 + 2);
  expect(metrics.resumedFromStep).toBeNull();
  expect(metrics.peakRssBytes).toBeGreaterThan(100e6);
  expect(events.filter(({ kind }) => kind === 'checkpoint').length).toBeGreaterThanOrEqual(3);
  const best = Math.max(...metrics.epochs.map(({ dev }) => dev[metrics.metric]));
  expect(metrics.best.value).toBe(best);
  expect(metrics.best.epoch).toBe(1 + metrics.epochs.findIndex(({ dev }) => dev[metrics.metric] === best));
});

it('gives the same again when it is resumed after its end, until its state is cleared', async () => {
  for (const options of [{ epochs: 3 }, { epochs: 200, earlyStopping: 2, lr: 1e-6 }]) {
    const what = await request({ options });
    const { metrics } = await finish(what);
    const hash = deltaHash(what.out);
    fs.rmSync(path.join(what.out, 'delta'), { recursive: true });
    const again = await finish({ ...what, resume: true });
    expect(again.events.slice(1)).toEqual(metrics.epochs.map((epoch) => ({ kind: 'epoch', epoch })));
    expect(deltaHash(what.out)).toBe(hash);
    const { resumedFromStep, peakRssBytes, ...same } = metrics;
    expect(again.metrics).toMatchObject(same);
    expect(again.metrics.resumedFromStep).toBe(metrics.epochs.length * Math.ceil(sentenceRows / 8));
    clearState(path.join(what.out, 'state'));
    expect(fs.readdirSync(path.join(what.out, 'state'))).toEqual([]);
  }
});

it('gives the best epoch, as evaluate finds it again', async () => {
  const what = await request({ options: { epochs: 6 } });
  const { metrics } = await finish(what);
  const asked = { model, delta: path.join(what.out, 'delta'), data: devSentences, options: what.options };
  const run = evaluate(tf, asked);
  let next = await run.next();
  while (!next.done) next = await run.next();
  expect(next.value.metrics[metrics.metric]).toBe(metrics.best.value);
  expect(next.value.loss).toBeCloseTo(metrics.epochs[metrics.best.epoch - 1].dev.loss, 5);
  const { classes, confusion, worst } = metrics.errorAnalysis!;
  expect(next.value.errorAnalysis).toMatchObject({ classes, confusion });
  expect(next.value.errorAnalysis.worst.map(({ row, text }) => [row, text])).toEqual(
    worst.map(({ row, text }) => [row, text]),
  );
});

it('leaves texts out of the worst rows, and nothing else', async () => {
  const ofRows = async (omitTexts: boolean) => {
    const what = await request({ options: { epochs: 1, omitTexts } });
    const { errorAnalysis } = (await finish(what)).metrics;
    return { hash: deltaHash(what.out), errors: errorAnalysis! };
  };
  const [full, bare] = [await ofRows(false), await ofRows(true)];
  expect(bare.hash).toBe(full.hash);
  expect(full.errors.worst.every(({ text }) => text !== undefined)).toBe(true);
  expect(bare.errors).toEqual({ ...full.errors, worst: full.errors.worst.map(({ text: _, ...row }) => row) });
});

it('overfits eight sentences to a loss of zero', async () => {
  const rows = await readDataset(sentences, 'labels');
  const file = writeRows(Array.from({ length: 8 }, (_, i) => [rows.texts[i], i % 2 ? 'yes' : 'no']));
  const data = { path: file, textColumns: ['sentence'], labelColumn: 'label' };
  const mask = await maskOf([
    [0, 1, 2, 3, 4],
    [0, 1, 2, 3, 4],
  ]);
  const { metrics } = await finish(await request({ train: data, dev: data, mask, options: { epochs: 150, lr: 5e-3 } }));
  expect(metrics.epochs.at(-1)!.dev).toMatchObject({ accuracy: 1, f1: 1 });
  expect(metrics.epochs.at(-1)!.dev.loss).toBeLessThan(1e-3);
});

it('learns nothing where the labels mean nothing', async () => {
  const rows = (await readDataset({ ...sentences, path: path.join(writeDemoData(folder(), 5).train) }, 'texts')).texts;
  const random = randomStream(3, 'labels');
  const label = () => (random.int(2) === 0 ? 'a' : 'b');
  const train = { ...sentences, path: writeRows(rows.slice(0, 600).map((text) => [text, label()])) };
  const dev = { ...sentences, path: writeRows(rows.slice(600, 1000).map((text) => [text, label()])) };
  const { metrics } = await finish(await request({ train, dev, options: { epochs: 3, batchSize: 32 } }));
  for (const { dev } of metrics.epochs) expect(Math.abs(dev.accuracy - 0.5)).toBeLessThan(0.1); // 4 standard errors
});

it('leaves all that is frozen alone in 1,000 steps with weight decay', async () => {
  const checkpoint = await openCheckpoint(model);
  const chosen = [
    [1, 3],
    [0, 2, 4],
  ];
  const mask = await maskOf(chosen);
  const tuning = tuningOf(checkpoint.config, mask);
  const { layout, initial } = trainable(checkpoint, tuning, 2, 0);
  const program = new Program(
    tf,
    { checkpoint, tuning, layout, outputs: 2, objective: { problem: 'single-label' } },
    initial,
  );
  const schedule = { lr: 1e-3, warmup: 0.06, weightDecay: 0.1, steps: 1000, seed: 0 };
  const training = new Training(program, schedule);
  const start = program.read();
  // The numbers, and twice as much for the optimizer.
  expect(Object.values(start).map(({ length }) => length)).toEqual([layout.size, layout.size, layout.size]);

  const [B, S] = [2, 5];
  const ids = Array.from({ length: B }, (_, row) => Array.from({ length: S }, (_, token) => 5 + 3 * row + token));
  const batch = new TokenRows(checkpoint).batch(ids.map((row) => ({ ids: row, typeIds: row.map(() => 0) })));
  const before = program.logits(batch);
  const held = tf.getNumOfTensors();
  for (let step = 0; step < 1000; step++) training.step(batch, [0, 1], step);
  expect(tf.getNumOfTensors()).toBe(held);
  const trained = program.read();
  const moved = trained.parameters.filter((value, i) => value !== initial[i]).length;
  expect(moved).toBeGreaterThanOrEqual(0.95 * layout.size);
  expect(program.logits(batch)).not.toEqual(before);
  // Every weight goes into the logits: with the first numbers back they are the same bits if
  // nothing else has moved.
  program.write(start);
  expect(program.logits(batch)).toEqual(before);
  program.close();
});

it('trains and predicts pairs and numbers', async () => {
  const pairs = { path: path.join(TINY_DATA, 'pairs.tsv'), textColumns: ['text_a', 'text_b'] };
  const what = await request({
    train: { ...pairs, labelColumn: 'score', problem: 'regression' },
    dev: undefined,
    options: { maxLength: 24 },
  });
  const { metrics } = await finish(what);
  expect(metrics).toMatchObject({ metric: 'pearson', taskHeadParameters: 45 * 45 + 45 + 45 + 1 });
  const rows = [];
  for await (const event of predict(tf, {
    model,
    delta: path.join(what.out, 'delta'),
    data: pairs,
    options: what.options,
  })) {
    if (event.kind === 'rows') rows.push(...event.rows);
  }
  expect(rows.map(({ row }) => row)).toEqual(rows.map((_, i) => i));
  for (const { label, logits } of rows) expect(logits).toEqual([label]);
});

it('keeps the epoch with the lowest dev loss if the metric is undefined on the dev rows', async () => {
  const columns = { textColumns: ['text_a', 'text_b'], labelColumn: 'score', regression: true };
  const pairs = fs.readFileSync(path.join(TINY_DATA, 'pairs.tsv'), 'utf8').split('\n');
  const one = path.join(folder(), 'one.tsv');
  fs.writeFileSync(one, `${pairs.slice(0, 2).join('\n')}\n`);
  const rows = { train: { ...columns, path: path.join(TINY_DATA, 'pairs.tsv') }, dev: { ...columns, path: one } };
  const options = { maxLength: 24, epochs: 6, earlyStopping: 3, lr: 5e-3 };
  const { metrics } = await finish(await request({ ...rows, options }));
  const { epochs, best } = metrics;
  expect(epochs.map(({ dev }) => dev.pearson)).toEqual(epochs.map(() => 0));
  const losses = epochs.map(({ dev }) => dev.loss);
  expect(best).toEqual({ epoch: 1 + losses.indexOf(Math.min(...losses)), value: 0 });
  // Otherwise the result would be that of the first epoch, whatever its loss.
  expect(best.epoch).toBeGreaterThan(1);
});

it('tunes the task head alone with an empty mask', async () => {
  const what = await request({ mask: await maskOf([[], []]) });
  const { metrics } = await finish(what);
  expect(metrics.trainableParameters).toBe(0);
  expect(metrics.epochs).toHaveLength(3);
  const run = evaluate(tf, { model, delta: path.join(what.out, 'delta'), data: devSentences, options: what.options });
  let next = await run.next();
  while (!next.done) next = await run.next();
  expect(next.value.metrics[metrics.metric]).toBe(metrics.best.value);
});

it.each([
  ['the upper layer', [[], [1]]],
  ['no layer', [[], []]],
])('takes what the frozen layers put out from another training of %s, and ends in the same delta', async (_, heads) => {
  const prefixes = path.join(folder(), 'prefixes');
  const asked = async (more = {}) => request({ mask: await maskOf(heads), options: { epochs: 1 }, ...more });
  const alone = await asked();
  await finish(alone);
  const first = await asked({ prefixes });
  await finish(first);
  const files = () => fs.readdirSync(prefixes).map((name) => [name, fs.statSync(path.join(prefixes, name)).mtimeMs]);
  const kept = files();
  expect(kept).toHaveLength(2); // training and dev rows
  const second = await asked({ prefixes });
  await finish(second);
  expect(files()).toEqual(kept);
  expect([deltaHash(first.out), deltaHash(second.out)]).toEqual([deltaHash(alone.out), deltaHash(alone.out)]);
  // Of other rows, or of another depth, it is another file; one that was cut is made anew.
  await finish(await asked({ prefixes, dev: sentences }));
  expect(files()).toHaveLength(2);
  await finish(await asked({ prefixes, options: { epochs: 1, maxLength: 7 } }));
  expect(files()).toHaveLength(4);
  for (const [name] of kept) fs.truncateSync(path.join(prefixes, name as string), 100);
  const third = await asked({ prefixes });
  await finish(third);
  expect(deltaHash(third.out)).toBe(deltaHash(alone.out));
});

it('stops early', async () => {
  const { metrics } = await finish(await request({ options: { epochs: 200, earlyStopping: 2, lr: 1e-6 } }));
  expect(metrics.epochs.length - metrics.best.epoch).toBe(2);
});

it('names the step where the loss is lost, and keeps the checkpoint', async () => {
  const what = await request({ options: { lr: 1e30, epochs: 3, warmup: 1 } });
  await expect(finish(what)).rejects.toThrow(/^step \d+ of \d+: .*lower learning rate/);
  expect(fs.existsSync(path.join(what.out, 'delta'))).toBe(false);
});

it('refuses the mask of another base and a checkpoint of another run', async () => {
  const mask = await maskOf([[0], [0]]);
  const other = { ...mask, model: { name: 'other', sha256: '0'.repeat(64) } };
  await expect(finish(await request({ mask: other }))).rejects.toThrow(
    /^mask\.model\.sha256 is 000000000000… \(other\); it must be [0-9a-f]{12}… \(/,
  );

  // The last column twice, under another name: the same bytes and rows, with another label column.
  const dev = { ...devSentences, path: path.join(folder(), 'dev.tsv') };
  const lines = fs.readFileSync(devSentences.path, 'utf8').trimEnd().split('\n');
  fs.writeFileSync(dev.path, lines.map((line, i) => `${line}\t${i === 0 ? 'other' : line.at(-1)}\n`).join(''));
  const what = await request({ dev, options: { epochs: 50 } });
  const controller = new AbortController();
  const run = train(tf, what, controller.signal);
  for (let next = await run.next(); next.value && (next.value as TrainEvent).kind !== 'epoch'; )
    next = await run.next();
  controller.abort();
  await expect(
    run
      .next()
      .then(() => run.next())
      .then(() => run.next()),
  ).rejects.toMatchObject({ code: 'CANCELLED' });
  await expect(finish({ ...what, resume: true, options: { ...what.options, lr: 1 } })).rejects.toThrow(
    /belongs to another run/,
  );
  await expect(finish({ ...what, resume: true, dev: { ...dev, labelColumn: 'other' } })).rejects.toThrow(
    /belongs to another run/,
  );
});

it.each(['config.json', 'tokenizer.json', 'tokenizer_config.json'])(
  'refuses a checkpoint from before %s changed',
  async (file) => {
    const copy = path.join(folder(), 'tiny-bert');
    fs.cpSync(model, copy, { recursive: true });
    const what = await request({ model: copy, options: { epochs: 1 } });
    await finish(what);
    fs.appendFileSync(path.join(copy, file), '\n');
    await expect(finish({ ...what, resume: true })).rejects.toThrow(/belongs to another run/);
  },
);

it('tells the tokens of its steps, and when it loaded, prepared and judged', async () => {
  const what = await request({ options: { epochs: 2, maxLength: 12 } });
  const { events } = await finish(what);
  const intervals = events.flatMap((event) => (event.kind === 'interval' ? [event] : []));
  expect(intervals.map(({ name, attributes }) => [name, attributes?.epoch])).toEqual([
    ['load', undefined],
    ['prefix', undefined],
    ['evaluate', 1],
    ['evaluate', 2],
  ]);
  for (const { from, to } of intervals) expect(to).toBeGreaterThanOrEqual(from);
  const { texts } = await readDataset(sentences, 'texts');
  const tokenizer = loadTokenizer(model);
  const tokens = texts.reduce((sum, text) => sum + tokenizer.encode(text, undefined, 12).ids.length, 0);
  const steps = events.flatMap((event) => (event.kind === 'progress' && event.stage === 'train' ? [event] : []));
  expect(steps.at(-1)!.tokens).toBe(2 * tokens);
  for (const [i, step] of steps.entries()) expect(step.tokens).toBeGreaterThan(steps[i - 1]?.tokens ?? 0);
});

it('tells again of the epochs that were judged before it was cut, and of no other twice', async () => {
  const what = await request({ options: { epochs: 4 } });
  const first = train(tf, what);
  for await (const event of first) if (event.kind === 'checkpoint' && event.step >= sentenceRows / 4) break;
  const { metrics, events } = await finish({ ...what, resume: true });
  const epochs = events.flatMap((event) => (event.kind === 'epoch' ? [event.epoch] : []));
  expect(epochs).toEqual(metrics.epochs);
  expect(metrics.resumedFromStep).toBe(2 * Math.ceil(sentenceRows / 8));
  const trained = events.findIndex((event) => event.kind === 'progress');
  expect(events.slice(0, trained).filter(({ kind }) => kind === 'epoch')).toHaveLength(2);
  // Those of this process alone.
  const tokens = events.flatMap((event) => (event.kind === 'progress' && event.tokens ? [event.tokens] : []));
  const whole = await finish(await request({ options: { epochs: 2 } }));
  expect(tokens.at(-1)).toBe(
    whole.events.flatMap((event) => (event.kind === 'progress' && event.tokens ? [event.tokens] : [])).at(-1),
  );
});

it('goes on from where it was cancelled, in the middle of an epoch', async () => {
  const whole = await request({ options: { epochs: 8 } });
  const { metrics: uncut } = await finish(whole);
  const cut = await request({ options: { epochs: 8 } });
  let cuts = 0;
  for (let resume = false; ; resume = true) {
    const controller = new AbortController();
    const stop = setTimeout(() => controller.abort(), 40 + 35 * cuts);
    try {
      const { metrics } = await finish({ ...cut, resume }, controller.signal);
      expect(metrics.resumedFromStep).not.toBeNull();
      expect(metrics.errorAnalysis).toEqual(uncut.errorAnalysis);
      break;
    } catch (error) {
      expect(error).toMatchObject({ code: 'CANCELLED' });
      cuts++;
    } finally {
      clearTimeout(stop);
    }
  }
  expect(cuts).toBeGreaterThan(1);
  expect(deltaHash(cut.out)).toBe(deltaHash(whole.out));
});

it('resumes LoRA with the same bits, and its delta, the merged matrices, has the metrics of the training', async () => {
  const checkpoint = await openCheckpoint(model);
  const further = BASELINES.lora.further(checkpoint.config);
  checkpoint.close();
  const mask = await maskOf([[], []]);
  const whole = await request({ mask, further });
  const { metrics } = await finish(whole);
  const modules = further.products!.map(({ module }) => `${module}.weight`);
  const { info } = readDelta(path.join(whole.out, 'delta'));
  expect(info.parts).toEqual(modules.map((tensor) => ({ tensor, axis: 'rows', ranges: [[0, 45]] })));
  expect(metrics.trainableParameters).toBe(4 * 8 * (45 + 45));

  const cut = await request({ mask, further });
  for await (const event of train(tf, cut)) if (event.kind === 'checkpoint') break;
  await expect(finish({ ...cut, further: undefined, resume: true })).rejects.toThrow(/belongs to another run/);
  const resumed = await finish({ ...cut, resume: true });
  expect(resumed.metrics.resumedFromStep).toBe(Math.ceil(sentenceRows / 8));
  expect(deltaHash(cut.out)).toBe(deltaHash(whole.out));

  const options = { batchSize: 8, maxLength: whole.options.maxLength, device: 'cpu' as const };
  const asked = { model, delta: path.join(whole.out, 'delta'), data: devSentences, options };
  const evaluated = await follow(evaluate(tf, asked), () => {});
  const { loss, ...dev } = metrics.epochs[metrics.best.epoch - 1].dev;
  expect(evaluated.metrics).toMatchObject(dev);
  expect(evaluated.loss).toBeCloseTo(loss, 5);
});

it('ends in the same delta after twenty kills', async () => {
  const options = { epochs: 60 };
  const whole = await request({ options });
  await finish(whole);
  const cut = await request({ options, resume: true });
  const random = randomStream(11, 'kills');
  for (let kill = 0; kill < 20; kill++) {
    await new Promise<void>((resolve, reject) => {
      const child = fork(require.resolve('./run-child'), { stdio: 'ignore' });
      child.once('error', reject).once('exit', () => resolve());
      child.send(cut);
      let checkpoints = random.int(3);
      child.on('message', ({ kind }: TrainEvent) => {
        if (kind === 'checkpoint' && checkpoints-- === 0) setTimeout(() => child.kill('SIGKILL'), random.int(40));
      });
    });
    expect(fs.existsSync(path.join(cut.out, 'delta'))).toBe(false);
  }
  const { metrics } = await finish(cut);
  expect(metrics.resumedFromStep).toBeGreaterThanOrEqual(20);
  expect(fs.readdirSync(path.join(cut.out, 'state'))).toEqual(['training.safetensors']);
  expect(deltaHash(cut.out)).toBe(deltaHash(whole.out));
}, 300_000);
