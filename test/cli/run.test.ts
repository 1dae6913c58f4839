import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { Command } from 'commander';
import { define as defineExport } from '../../cli/export';
import type { Ablation } from '../../delta/ablation';
import { deltaBytes, readDelta } from '../../delta/delta';
import { readHeads, readMask, readMetrics, readScores } from '../../job/files';
import { openCheckpoint } from '../../model/checkpoint';
import { fixtures, hifi, startHifi } from './spawn';

/*
 * Tests the commands with the real engines on a small random model: their results, their agreement,
 * and interrupted and resumed runs.
 */
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-run-'));
afterAll(() => fs.rmSync(scratch, { recursive: true }));
const at = (...parts: string[]) => path.join(scratch, ...parts);
const model = path.join(fixtures, 'tiny-bert');
const train = path.join(fixtures, 'tiny-data/train.tsv');
const dev = path.join(fixtures, 'tiny-data/dev.tsv');
const data = ['--text-columns', 'sentence', '--label-column', 'label'];
const inputs = ['--model', model, '--train', train, '--dev', dev, ...data];
const options = ['--samples', '40', '--max-length', '48', '--k', '2', '--epochs', '2', '--lr', '0.01'];
const everything = ['--export', 'checkpoint,peft,onnx', '--onnx-dtype', 'q8,fp32'];
const bytes = (...parts: string[]) => fs.readFileSync(at(...parts)).toString('base64');

/** Runs the command, which must succeed. */
function done(...words: string[]) {
  const { status, stdout, stderr } = hifi(...words);
  expect({ status, stderr }).toMatchObject({ status: 0 });
  return { stdout, stderr };
}

describe('a whole run', () => {
  const out = at('run');
  let run: { stdout: string; stderr: string };
  beforeAll(() => {
    run = done('run', ...inputs, ...options, ...everything, '--out', out, '--json');
  });

  test('leaves all results, and one JSON document on stdout', () => {
    expect(fs.readdirSync(out).toSorted()).toEqual(
      [
        ...['checkpoint', 'delta', 'heads.json', 'mask.json', 'metrics.json', 'onnx', 'peft'],
        ...['report', 'report.html', 'state'],
      ].toSorted(),
    );
    for (const name of ['checkpoint', 'peft', 'onnx']) expect(JSON.parse(run.stdout).files).toContain(at('run', name));
    const document = JSON.parse(run.stdout);
    expect(document.mask).toEqual(readMask(at('run', 'mask.json')));
    expect(document.metrics).toEqual(readMetrics(at('run', 'metrics.json')));
    expect(readHeads(at('run', 'heads.json')).samples).toBe(40);
    expect(readMetrics(at('run', 'metrics.json')).epochs).toHaveLength(2);
    expect(document.deltaBytes).toBe(
      fs.statSync(at('run', 'delta', 'delta.safetensors')).size + fs.statSync(at('run', 'delta', 'delta.json')).size,
    );
    for (const line of ['analyzing\n', 'selecting\n', 'training\n', 'epoch 2: ', 'exporting\n', '4 heads by hifi: ']) {
      expect(run.stderr).toContain(line);
    }
    const report = fs.readFileSync(at('run', 'report.html'), 'utf8');
    expect(report).toContain('tiny-bert on tiny-data/train.tsv');
    const { best, metric, onnx = [] } = readMetrics(at('run', 'metrics.json'));
    expect(onnx.map(({ dtype }) => dtype)).toEqual(['fp32', 'q8']);
    expect(onnx[0].dev?.[metric]).toBe(best.value);
    for (const { file, bytes: size, largestDifference, dev: found } of onnx) {
      expect(fs.statSync(at('run', 'onnx', file)).size).toBe(size);
      expect(found?.[metric]).toBeGreaterThan(0);
      expect(run.stderr).toContain(`${file} `);
      expect(report).toContain(`>${largestDifference.toPrecision(2)}</td>`);
    }
    expect(report).toContain('--onnx-dtype fp32,q8');
  });

  test('equals its steps run one by one', () => {
    done(
      'analyze',
      '--model',
      model,
      '--data',
      train,
      ...data,
      '--samples',
      '40',
      '--max-length',
      '48',
      '--k',
      '2',
      '--out',
      at('a'),
    );
    const { elapsedSeconds: _a, ...apart } = readHeads(at('a', 'heads.json'));
    const { elapsedSeconds: _b, ...together } = readHeads(at('run', 'heads.json'));
    expect(apart).toEqual(together);
    done('select', '--heads', at('a', 'heads.json'), '--k', '2', '--out', at('mask.json'));
    expect(bytes('mask.json')).toBe(bytes('run', 'mask.json'));
    const training = ['--epochs', '2', '--max-length', '48', '--lr', '0.01'];
    done('train', ...inputs, '--mask', at('mask.json'), ...training, '--out', at('t'));
    expect(bytes('t', 'delta', 'delta.safetensors')).toBe(bytes('run', 'delta', 'delta.safetensors'));
    expect(bytes('t', 'delta', 'delta.json')).toBe(bytes('run', 'delta', 'delta.json'));
    const exporting = ['--model', model, '--delta', at('t', 'delta'), '--format', 'checkpoint'];
    done('export', ...exporting, '--out', at('c'));
    expect(bytes('c', 'model.safetensors')).toBe(bytes('run', 'checkpoint', 'model.safetensors'));
    done('export', ...exporting.slice(0, 4), '--format', 'peft', '--out', at('p'));
    expect(bytes('p', 'adapter_model.safetensors')).toBe(bytes('run', 'peft', 'adapter_model.safetensors'));
    expect(bytes('p', 'README.md')).toBe(bytes('run', 'peft', 'README.md'));
    done('export', ...exporting.slice(0, 4), '--format', 'onnx', '--out', at('o'));
    expect(bytes('o', 'onnx', 'model.onnx')).toBe(bytes('run', 'onnx', 'onnx', 'model.onnx'));
    const again = hifi('export', ...exporting.slice(0, 4), '--format', 'onnx', '--out', at('o'));
    expect(again).toMatchObject({ status: 2, stderr: expect.stringMatching(/^hifi: --out .* is not empty/m) });
    done('export', ...exporting.slice(0, 4), '--format', 'onnx', '--out', at('o'), '--overwrite');
    done('export', '--undo', at('c'), '--out', at('base'));
    expect(bytes('base', 'model.safetensors')).toBe(
      fs.readFileSync(path.join(model, 'model.safetensors')).toString('base64'),
    );
  });

  test('writes a delta, a checkpoint and an ONNX folder that evaluate and predict alike', () => {
    const delta = ['--model', model, '--delta', at('run', 'delta')];
    const merged = ['--model', at('run', 'checkpoint')];
    const onnx = ['--model', at('run', 'onnx')];
    const metrics = readMetrics(at('run', 'metrics.json'));
    const rows = ['--data', dev, ...data, '--max-length', '48'];
    const results = [delta, merged, onnx].map((words) =>
      JSON.parse(done('evaluate', ...words, ...rows, '--json').stdout),
    );
    for (const result of results) {
      expect(result).toMatchObject({ metric: 'accuracy', rows: 40 });
      expect(result.metrics.accuracy).toBe(metrics.best.value);
      expect(result.errorAnalysis.confusion).toEqual(metrics.errorAnalysis!.confusion);
      expect(result.loss).toBeCloseTo(metrics.epochs[metrics.best.epoch - 1].dev.loss, 5);
    }

    const texts = ['--data', dev, '--text-columns', 'sentence', '--max-length', '48'];
    const lines = done('predict', ...delta, ...texts)
      .stdout.trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.map(({ row }) => row)).toEqual(Array.from({ length: 40 }, (_, row) => row));
    const truth = fs
      .readFileSync(dev, 'utf8')
      .trimEnd()
      .split('\n')
      .slice(1)
      .map((line) => line.split('\t')[1]);
    const right = lines.filter(({ row, label }) => label === truth[row]).length;
    expect(right / 40).toBeCloseTo(metrics.best.value, 10);
    expect(JSON.parse(done('predict', ...delta, ...texts, '--json').stdout)).toEqual(lines);
    for (const words of [merged, onnx]) {
      done('predict', ...words, ...texts, '--out', at('lines.jsonl'), '--overwrite');
      const again = fs
        .readFileSync(at('lines.jsonl'), 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line));
      for (const [i, { row, label, logits }] of again.entries()) {
        expect({ row, label }).toEqual({ row: lines[i].row, label: lines[i].label });
        for (const [c, logit] of logits.entries()) expect(logit).toBeCloseTo(lines[i].logits[c], 5);
      }
    }
  });

  test('is measured with its heads gated off', () => {
    const words = ['ablate', '--model', model, '--delta', at('run', 'delta'), '--data', dev, ...data];
    const { stdout, stderr } = done(...words, '--max-length', '48', '--seed', '3', '--out', at('ablation'), '--json');
    const found: Ablation = JSON.parse(stdout);
    const { best, metric } = readMetrics(at('run', 'metrics.json'));
    expect(found).toMatchObject({ metric, rows: 40, strategy: 'hifi', bootstrap: { seed: 3 } });
    expect(found.allOn.value).toBe(best.value);
    // The last heads are those that `bottom` would choose, from heads.json beside the delta.
    const bottom = ['--strategy', 'bottom', '--k', '2', '--out', at('bottom.json')];
    done('select', '--heads', at('run', 'heads.json'), ...bottom);
    expect(found.last!.heads).toEqual(readMask(at('bottom.json')).heads.map(({ layer, head }) => ({ layer, head })));
    expect(JSON.parse(fs.readFileSync(at('ablation', 'ablation.json'), 'utf8'))).toEqual(found);
    const page = fs.readFileSync(at('ablation', 'report.html'), 'utf8');
    for (const { value } of [found.allOn, found.tuned, found.drawn!, found.last!]) {
      expect(stderr).toContain(value.toFixed(4));
      expect(page).toContain(value.toFixed(4));
    }
    expect(page).toContain(`--delta ${at('run', 'delta')}`);
    expect(page).toContain('--seed 3');
  });

  test('is refused if --out is not empty, and repeats nothing with --resume', () => {
    const before = fs.statSync(at('run', 'delta', 'delta.safetensors')).mtimeMs;
    const refused = hifi('run', ...inputs, ...options, '--out', out);
    expect(refused).toMatchObject({ status: 2, stdout: '' });
    expect(refused.stderr).toMatch(/^hifi: --out .* is not empty .* --resume or --overwrite\n$/);
    const { stderr } = done('run', ...inputs, ...options, ...everything, '--out', out, '--resume');
    for (const name of ['heads.json', 'mask.json', 'delta', 'metrics.json', 'checkpoint', 'peft', 'onnx']) {
      expect(stderr).toContain(`${name} is stored already\n`);
    }
    expect(fs.statSync(at('run', 'delta', 'delta.safetensors')).mtimeMs).toBe(before);
  });
});

test('a run that is interrupted in training ends with 130; resumed, it writes the same bytes', async () => {
  const long = ['run', ...inputs, ...options, '--epochs', '40'];
  done(...long, '--out', at('whole'));
  let sent = false;
  const interrupted = await startHifi([...long, '--out', at('interrupted')], (stderr, child) => {
    if (sent || !stderr.includes('epoch 2:')) return;
    sent = true;
    child.kill('SIGINT');
  });
  expect(interrupted).toMatchObject({ status: 130, signal: null });
  expect(interrupted.stderr.trimEnd().split('\n').at(-1)).toBe('hifi: cancelled');
  expect(fs.readdirSync(at('interrupted'))).toEqual(['heads.json', 'mask.json', 'state']);

  const { stderr } = done(...long, '--out', at('interrupted'), '--resume');
  expect(stderr).toContain('heads.json is stored already\n');
  // The evaluated epochs are reported again, unchanged.
  const first = interrupted.stderr.split('\n').find((line) => line.startsWith('epoch 1:'));
  expect(stderr.split('\n').filter((line) => line.startsWith('epoch 1:'))).toEqual([first]);
  expect(bytes('interrupted', 'delta', 'delta.safetensors')).toBe(bytes('whole', 'delta', 'delta.safetensors'));
  expect(bytes('interrupted', 'delta', 'delta.json')).toBe(bytes('whole', 'delta', 'delta.json'));
  expect(readMetrics(at('interrupted', 'metrics.json')).resumedFromStep).toBeGreaterThan(0);
  expect(readMetrics(at('whole', 'metrics.json')).resumedFromStep).toBeNull();
});

test('an interrupted run with other training options starts the training again', async () => {
  let sent = false;
  const interrupted = await startHifi(
    ['run', ...inputs, ...options, '--epochs', '40', '--out', at('other')],
    (stderr, child) => {
      if (sent || !stderr.includes('epoch 2:')) return;
      sent = true;
      child.kill('SIGINT');
    },
  );
  expect(interrupted.status).toBe(130);
  expect(fs.readdirSync(at('other', 'state')).toSorted()).toEqual(['job.json', 'training.safetensors']);
  const { stderr } = done('run', ...inputs, ...options, '--out', at('other'), '--resume');
  expect(stderr).toContain('mask.json is stored already\n');
  expect(bytes('other', 'delta', 'delta.safetensors')).toBe(bytes('run', 'delta', 'delta.safetensors'));
  expect(fs.readdirSync(at('other', 'state'))).toEqual(['job.json']);
});

describe('--overwrite', () => {
  const results = () =>
    fs
      .readdirSync(at('kept'), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.parentPath !== at('kept', 'state'))
      .map((entry) => path.join(entry.parentPath, entry.name))
      .toSorted()
      .map((file) => [file, fs.statSync(file).mtimeMs]);
  beforeAll(() => {
    fs.cpSync(at('run'), at('kept'), { recursive: true });
  });

  test('keeps earlier results if the input is bad', () => {
    const before = results();
    fs.writeFileSync(at('bad.tsv'), 'sentence\tlabel\nonly a sentence\n');
    const mask = at('kept', 'mask.json');
    const layout = ['--model', model, ...data, '--out', at('kept'), '--overwrite'];
    for (const words of [
      ['run', '--train', at('bad.tsv')],
      ['analyze', '--data', at('nothing.tsv')],
      ['train', '--train', at('bad.tsv'), '--mask', mask],
    ]) {
      expect(hifi(...words, ...layout)).toMatchObject({ status: 2, stdout: '' });
      expect(results()).toEqual(before);
    }
  });

  test('does not touch folders of a user with the names of results', () => {
    for (const [name, words] of [
      ['delta', ['run', ...inputs]],
      ['report', ['run', ...inputs]],
      ['checkpoint', ['run', ...inputs]],
      ['delta', ['train', ...inputs, '--mask', at('run', 'mask.json')]],
      ['report', ['analyze', '--model', model, '--data', train, ...data]],
    ] as const) {
      const out = fs.mkdtempSync(at('user-'));
      fs.mkdirSync(path.join(out, name));
      fs.writeFileSync(path.join(out, name, 'thesis.doc'), 'mine');
      const { status, stderr } = hifi(...words, '--out', out, '--overwrite');
      expect({ status, stderr }).toMatchObject({ status: 2, stderr: expect.stringContaining('(it holds thesis.doc)') });
      expect(fs.readFileSync(path.join(out, name, 'thesis.doc'), 'utf8')).toBe('mine');
    }
  });

  test('computes all results again', () => {
    // Another rate: with the same one both runs may have the first epoch's parameters.
    done('run', ...inputs, ...options, '--epochs', '1', '--lr', '0.02', '--out', at('kept'), '--overwrite');
    expect(readMetrics(at('kept', 'metrics.json')).epochs).toHaveLength(1);
    expect(bytes('kept', 'checkpoint', 'model.safetensors')).not.toBe(bytes('run', 'checkpoint', 'model.safetensors'));
    // Another command's results in the folder are not used as the run's.
    const mask = ['--mask', at('kept', 'mask.json')];
    done('train', ...inputs, ...mask, '--epochs', '2', '--out', at('kept'), '--overwrite', '--max-length', '48');
    expect(fs.readdirSync(at('kept', 'state'))).toEqual(['job.json']);
    const { stderr } = done('run', ...inputs, ...options, '--epochs', '1', '--out', at('kept'), '--resume');
    expect(stderr).toContain('mask.json is stored already\n');
    expect(stderr).not.toContain('delta is stored already\n');
    expect(readMetrics(at('kept', 'metrics.json')).epochs).toHaveLength(1);
  });
});

describe('--dry-run', () => {
  const words = ['run', ...inputs, ...options, '--dry-run', '--json'];

  test('estimates the run, and leaves nothing', async () => {
    const { stdout, stderr } = done(...words, '--out', at('dry'));
    expect(fs.existsSync(at('dry'))).toBe(false);
    const estimated = JSON.parse(stdout);
    const metrics = readMetrics(at('run', 'metrics.json'));
    const { share, totalParameters } = readMask(at('run', 'mask.json'));
    const { trainableParameters, taskHeadParameters } = metrics;
    expect(estimated).toMatchObject({ heads: 4, trainableParameters, taskHeadParameters, totalParameters, share });
    expect(estimated).toMatchObject({ steps: 4, rows: { train: 60, dev: 40 } });
    const delta = readDelta(at('run', 'delta'));
    const checkpoint = await openCheckpoint(model);
    checkpoint.close();
    const written = ['delta.safetensors', 'delta.json'].map((name) => fs.statSync(at('run', 'delta', name)).size);
    expect(deltaBytes(checkpoint, delta.info)).toBe(written[0] + written[1]);
    // The scores of four heads vary by a few digits.
    expect(Math.abs(estimated.deltaBytes - written[0] - written[1])).toBeLessThan(4 * 20);
    const { total, ...parts } = estimated.seconds;
    expect(Object.keys(parts)).toEqual(['analysis', 'training', 'evaluation', 'export']);
    for (const seconds of Object.values<number>(parts)) expect(seconds).toBeGreaterThan(0);
    expect(total).toBeCloseTo(parts.analysis + parts.training + parts.evaluation + parts.export, 9);
    expect(estimated.peakMemoryBytes).toBeGreaterThan(metrics.peakRssBytes / 3);
    expect(estimated.peakMemoryBytes).toBeLessThan(metrics.peakRssBytes * 3);
    expect(stderr).toContain(`4 heads, ${trainableParameters.toLocaleString('en-US')} of `);
    expect(stderr).toContain('nothing was started\n');
  });

  test('needs no --out, supports every strategy, and refuses the same input as the run', () => {
    const heads = (...more: string[]) => JSON.parse(done(...words, ...more).stdout);
    expect(heads('--strategy', 'none')).toMatchObject({ heads: 0, trainableParameters: 0, share: 0 });
    expect(heads('--strategy', 'hifi-mid-top', '--tune', 'qkvo')).toMatchObject({ heads: 2 });
    expect(heads('--strategy', 'gradient').seconds.scoring).toBeGreaterThan(0);
    const ofNeurons = ['--tune', 'neurons', '--strategy', 'random'];
    expect(done(...words, ...ofNeurons).stderr).toMatch(/^tuned +neurons, [\d,]+ of /m);
    expect(hifi(...words, '--k', '6')).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('k is 6; it must be 1 to 5: a layer of this model has 5 heads'),
    });
    expect(hifi('run', ...inputs)).toMatchObject({
      status: 2,
      stderr: "hifi: required option '--out <path>' not specified\n",
    });
  });
});

test('a gradient strategy scores the heads before the selection, as hifi score does', () => {
  const gradient = [...options, '--strategy', 'gradient', '--epochs', '1'];
  const { stderr } = done('run', ...inputs, ...gradient, '--out', at('gradient'));
  expect(stderr).toContain('4 heads by gradient: ');
  const scoring = ['--strategy', 'gradient', '--samples', '40', '--max-length', '48'];
  const printed = done(
    'score',
    ...['--model', model, '--train', train, ...data],
    ...[...scoring, '--out', at('scores.json'), '--json'],
  );
  const { elapsedSeconds: _a, ...apart } = readScores(at('scores.json'));
  const { elapsedSeconds: _b, ...together } = readScores(at('gradient', 'scores.json'));
  expect(apart).toEqual(together);
  expect(JSON.parse(printed.stdout)).toEqual(readScores(at('scores.json')));
  const words = ['--scores', at('scores.json'), '--strategy', 'gradient', '--k', '2'];
  done('select', ...words, '--out', at('gradient-mask.json'));
  expect(bytes('gradient-mask.json')).toBe(bytes('gradient', 'mask.json'));

  fs.rmSync(at('gradient', 'mask.json'));
  const resumed = done('run', ...inputs, ...gradient, '--out', at('gradient'), '--resume');
  expect(resumed.stderr).toContain('scores.json is stored already\n');
  expect(bytes('gradient', 'mask.json')).toBe(bytes('gradient-mask.json'));
});

test('a checkpoint of a task needs no --task', () => {
  const rows = fs
    .readFileSync(dev, 'utf8')
    .trimEnd()
    .split('\n')
    .slice(1)
    .map((line) => line.split('\t'));
  const cola = at('cola.tsv');
  fs.writeFileSync(cola, rows.map(([sentence, label]) => `gj04\t${label}\t\t${sentence}\n`).join(''));
  done('run', '--model', model, '--train', cola, '--task', 'cola', ...options, '--epochs', '1', '--out', at('cola'));
  const merged = ['--model', at('cola', 'checkpoint'), '--data', cola];
  const result = JSON.parse(done('evaluate', ...merged, '--json').stdout);
  expect(result).toMatchObject({ task: 'cola', metric: 'matthews', rows: rows.length });
  expect(
    done('predict', ...merged)
      .stdout.trimEnd()
      .split('\n'),
  ).toHaveLength(rows.length);
  expect(hifi('evaluate', '--model', at('run', 'checkpoint'), '--data', cola).stderr).toMatch(
    /\nhifi: the text columns are missing/,
  );
});

test('predictions are written to their file although the reader of the array leaves', async () => {
  const many = at('many.tsv');
  fs.writeFileSync(many, `sentence\n${'one fine day\n'.repeat(4000)}`);
  const out = at('many.jsonl');
  const words = ['predict', '--model', at('run', 'checkpoint'), '--data', many, '--text-columns', 'sentence'];
  const { status } = await startHifi([...words, '--json', '--out', out], (_, child) => child.stdout?.destroy());
  expect(status).toBe(0);
  expect(fs.readFileSync(out, 'utf8').trimEnd().split('\n')).toHaveLength(4000);
});

test('an export that is ended by a signal leaves nothing', async () => {
  const listeners = (['SIGINT', 'SIGTERM'] as const).map((name) => [name, process.listeners(name)] as const);
  const stderr = jest.spyOn(process.stderr, 'write').mockReturnValue(true);
  for (const words of [
    ['--model', model, '--delta', at('run', 'delta'), '--format', 'checkpoint'],
    ['--model', model, '--delta', at('run', 'delta'), '--format', 'onnx'],
    ['--undo', at('run', 'checkpoint')],
  ]) {
    const command = new Command('hifi');
    defineExport(command);
    const out = at('cancelled');
    const exported = command.parseAsync([...words, '--out', out], { from: 'user' });
    process.emit('SIGINT');
    await expect(exported).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(fs.existsSync(out)).toBe(false);
    expect(fs.readdirSync(scratch).filter((name) => name.startsWith('.cancelled'))).toEqual([]);
    for (const [name, before] of listeners) {
      for (const added of process.listeners(name)) if (!before.includes(added)) process.off(name, added);
    }
  }
  stderr.mockRestore();
});

test('a reader that leaves ends a prediction quietly', async () => {
  const words = ['predict', '--model', at('run', 'checkpoint'), '--data', train, '--text-columns', 'sentence'];
  const { status, stderr } = await startHifi(words, (_, child) => child.stdout?.destroy());
  expect({ status, stderr }).toMatchObject({ status: 0, stderr: expect.not.stringContaining('EPIPE') });
});

test('bad input of a late step is reported before the first step', () => {
  const known = hifi('run', ...inputs, ...options, '--k', '6', '--out', at('k'));
  expect(known).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('hifi: k is 6; it must be 1 to 5: a layer of this model has 5 heads'),
  });
  fs.writeFileSync(at('odd.tsv'), 'sentence\tlabel\nwhat is this\tmaybe\n');
  const odd = hifi('run', '--model', model, '--train', train, '--dev', at('odd.tsv'), ...data, '--out', at('odd'));
  expect(odd.status).toBe(2);
  expect(odd.stderr).toMatch(
    /hifi: .*odd\.tsv: row 0 has the label "maybe" in the column "label"; the training rows have "0", "1"\n$/,
  );
  expect(odd.stderr).not.toContain('analyzing');
  expect(fs.existsSync(at('k')) || fs.existsSync(at('odd'))).toBe(false);
});
