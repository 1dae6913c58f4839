import * as fs from 'node:fs';
import * as path from 'node:path';
import { TRAIN_DEFAULTS } from '../../delta/training-options';
import { ANALYSIS_DEFAULTS } from '../../heads/analysis-options';
import { SELECTION_DEFAULTS, selectHeads } from '../../heads/select';
import { FolderPlace, forgetResults, type JobInputs, resultKeys } from '../../job/folder-results';
import { type JobEvent, type JobSpec, type JobStages, runJob } from '../../job/job';
import type { OnnxDtype } from '../../model/onnx-dtype';
import { sampleMask, sampleMetrics, sampleReport, sampleScores } from './sample-results';
import { scratchFolders } from './scratch-folders';

const { folder } = scratchFolders('results');

describe('a resumed job reuses', () => {
  const spec: JobSpec = {
    model: 'm',
    train: { path: 'rows.tsv', task: 'sst2' },
    analysis: ANALYSIS_DEFAULTS,
    selection: SELECTION_DEFAULTS,
    training: TRAIN_DEFAULTS,
    exports: ['checkpoint'],
    onnxDtypes: ['fp32'],
  };
  const inputs: JobInputs = {
    model: { weights: sampleReport().model.sha256, files: ['config', 'tokenizer', null] },
    ...{ train: 'rows', dev: null, mismatched: null },
  };
  const { weights } = inputs.model;
  const keys = resultKeys(spec, inputs);

  async function finished(): Promise<string> {
    const out = folder('delta/delta.json', 'checkpoint/config.json');
    const place = new FolderPlace(out, keys, weights, false);
    await place.write('heads.json', sampleReport());
    await place.write('mask.json', sampleMask());
    await place.write('metrics.json', sampleMetrics());
    await place.exported('checkpoint');
    return out;
  }

  const keeps = async (out: string, now = keys, model = weights, resume = true) => {
    const place = new FolderPlace(out, now, model, resume);
    const names = ['heads.json', 'mask.json', 'metrics.json'] as const;
    const stored = await Promise.all(names.map((name) => place.stored(name)));
    return names.filter((_, i) => stored[i] !== undefined);
  };

  test('whole results of the same inputs', async () => {
    const out = await finished();
    expect(await keeps(out)).toEqual(['heads.json', 'mask.json', 'metrics.json']);
    expect(await keeps(out, keys, weights, false)).toEqual([]);
    expect(await new FolderPlace(out, keys, weights, true).storedExport('checkpoint')).toBe(true);
    expect(await keeps(out, keys, 'another model')).toEqual(['metrics.json']);
  });

  test('no result that depends on a change', async () => {
    const out = await finished();
    const changed = (change: Partial<JobSpec>, files = inputs) => keeps(out, resultKeys({ ...spec, ...change }, files));
    expect(await changed({ training: { ...TRAIN_DEFAULTS, lr: 2e-3 } })).toEqual(['heads.json', 'mask.json']);
    expect(await changed({ selection: { ...SELECTION_DEFAULTS, k: 1 } })).toEqual(['heads.json']);
    expect(await changed({ analysis: { ...ANALYSIS_DEFAULTS, samples: 7 } })).toEqual([]);
    expect(await changed({ train: { path: 'rows.tsv', task: 'cola' } })).toEqual([]);
    expect(await changed({}, { ...inputs, train: 'other rows' })).toEqual([]);
    expect(await changed({ dev: { path: 'dev.tsv', task: 'sst2' } }, { ...inputs, dev: 'dev rows' })).toEqual([
      'heads.json',
      'mask.json',
    ]);
    expect(await changed({}, { ...inputs, mismatched: 'more dev rows' })).toEqual(['heads.json', 'mask.json']);
    expect(
      await changed({}, { ...inputs, model: { ...inputs.model, files: ['another activation', 'tokenizer', null] } }),
    ).toEqual([]);
    expect(
      await changed({}, { ...inputs, model: { ...inputs.model, files: ['config', 'other words', null] } }),
    ).toEqual([]);
    // Device and path change nothing.
    const moved = { train: { task: 'sst2' as const, path: 'elsewhere/rows.tsv' }, model: 'elsewhere' };
    const analysis = { ...ANALYSIS_DEFAULTS, threads: 1, device: 'cpu' as const };
    expect(await changed({ ...moved, analysis })).toEqual(['heads.json', 'mask.json', 'metrics.json']);
  });

  test('an ONNX folder only for the same types', async () => {
    const out = folder('onnx/config.json', 'checkpoint/config.json');
    const typed = (...onnxDtypes: OnnxDtype[]) =>
      new FolderPlace(out, resultKeys({ ...spec, onnxDtypes }, inputs), inputs.model.weights, true);
    await typed('fp32', 'q8').exported('onnx');
    await typed('fp32').exported('checkpoint');
    expect(await typed('q8', 'fp32').storedExport('onnx')).toBe(true);
    expect(await typed('fp32').storedExport('onnx')).toBe(false);
    expect(await typed('fp16').storedExport('checkpoint')).toBe(true);
  });

  test('scores only for a strategy that needs them', async () => {
    const gradient = { ...spec, selection: { ...SELECTION_DEFAULTS, strategy: 'gradient' as const } };
    const out = folder();
    const place = new FolderPlace(out, resultKeys(gradient, inputs), weights, true);
    await place.write('heads.json', sampleReport());
    await place.write('scores.json', sampleScores());
    await place.write('mask.json', sampleMask());
    const stored = async (now: JobSpec) => {
      const later = new FolderPlace(out, resultKeys(now, inputs), weights, true);
      const names = ['heads.json', 'scores.json', 'mask.json'] as const;
      const found = await Promise.all(names.map((name) => later.stored(name)));
      return names.filter((_, i) => found[i] !== undefined);
    };
    expect(await stored(gradient)).toEqual(['heads.json', 'scores.json', 'mask.json']);
    expect(await stored({ ...gradient, selection: { ...gradient.selection, k: 1 } })).toEqual([
      'heads.json',
      'scores.json',
    ]);
    expect(await stored({ ...gradient, training: { ...TRAIN_DEFAULTS, seed: 1 } })).toEqual(['heads.json']);
    expect(await stored(spec)).toEqual(['heads.json']);
  });

  test('no damaged or missing result', async () => {
    const out = await finished();
    fs.truncateSync(path.join(out, 'heads.json'), 100);
    fs.rmSync(path.join(out, 'delta'), { recursive: true });
    expect(await keeps(out)).toEqual(['mask.json']);
    fs.rmSync(path.join(out, 'state'), { recursive: true });
    expect(await keeps(out)).toEqual([]);
  });

  test('no forgotten result, nor one that depends on it', async () => {
    const out = await finished();
    forgetResults(out, 'metrics.json');
    expect(await keeps(out)).toEqual(['heads.json', 'mask.json']);
    expect(await new FolderPlace(out, keys, weights, true).storedExport('checkpoint')).toBe(false);
    const exported = await finished();
    const place = new FolderPlace(exported, keys, weights, true);
    await place.invalidate('peft');
    await place.invalidate('onnx');
    expect(await place.storedExport('checkpoint')).toBe(true);
    const empty = folder();
    forgetResults(empty, 'heads.json');
    expect(fs.existsSync(empty)).toBe(false);
  });

  test("no trainer's checkpoint once metrics.json exists, or with other options", async () => {
    const out = folder('state/training.safetensors');
    const checkpoint = path.join(out, 'state', 'training.safetensors');
    const begin = async (now = keys, resume = true) => {
      await new FolderPlace(out, now, weights, resume).invalidate('metrics.json');
      const there = fs.existsSync(checkpoint);
      fs.writeFileSync(checkpoint, 'partial');
      return there;
    };
    // First the owner is unknown, then it is this training, then one with other options.
    expect([await begin(), await begin(), await begin()]).toEqual([false, true, true]);
    const other = resultKeys({ ...spec, training: { ...TRAIN_DEFAULTS, lr: 2e-3 } }, inputs);
    expect([await begin(other), await begin(other), await begin(keys), await begin(keys, false)]).toEqual([
      ...[false, true, false, false],
    ]);
    await new FolderPlace(out, keys, weights, true).write('metrics.json', sampleMetrics());
    expect(fs.existsSync(checkpoint)).toBe(false);
  });
});

describe('an interrupted job that is resumed with other options', () => {
  /** Stages whose results contain the options that they used. */
  function stagesIn(out: string, label: (spec: JobSpec) => string): JobStages {
    const write = (name: string, text: string) => {
      fs.mkdirSync(path.dirname(path.join(out, name)), { recursive: true });
      fs.writeFileSync(path.join(out, name), text);
    };
    return {
      // biome-ignore lint/correctness/useYield: an engine without events
      async *analyze() {
        return sampleReport();
      },
      // biome-ignore lint/correctness/useYield: an engine without events
      async *score() {
        return sampleScores();
      },
      select: (report, options) => selectHeads(report, options),
      // biome-ignore lint/correctness/useYield: an engine without events
      async *train(spec) {
        write('delta/delta.json', label(spec));
        return { ...sampleMetrics(), metric: label(spec) };
      },
      async export(_, format) {
        write(`${format}/config.json`, `of ${fs.readFileSync(path.join(out, 'delta/delta.json'), 'utf8')}`);
        return { notes: [] };
      },
      async report() {},
    };
  }

  const spec = (lr: number, k: number): JobSpec => ({
    ...{ model: 'm', train: { path: 'rows.tsv', task: 'sst2' }, exports: ['checkpoint'], onnxDtypes: ['fp32'] },
    ...{ analysis: ANALYSIS_DEFAULTS, selection: { ...SELECTION_DEFAULTS, k }, training: { ...TRAIN_DEFAULTS, lr } },
  });
  const inputs: JobInputs = {
    model: { weights: sampleReport().model.sha256, files: ['config', 'tokenizer', null] },
    ...{ train: 'rows', dev: null, mismatched: null },
  };
  const label = ({ training, selection }: JobSpec) => `lr ${training.lr}, k ${selection.k}`;

  /** Runs a job in `out` and leaves it after the event of the artifact `last`. */
  async function attempt(out: string, job: JobSpec, last?: string): Promise<void> {
    const place = new FolderPlace(out, resultKeys(job, inputs), inputs.model.weights, true);
    const events: AsyncGenerator<JobEvent> = runJob(job, stagesIn(out, label), place, new AbortController().signal);
    for await (const event of events) if (event.kind === 'artifact' && event.name === last) return;
  }

  const cuts = ['heads.json', 'mask.json', 'delta', 'metrics.json', 'checkpoint', 'report.html'];

  test.each(cuts)('has results of the last options only: interrupted after %s', async (cut) => {
    const wanted = folder();
    await attempt(wanted, spec(1e-3, 1));
    const read = (out: string) =>
      ['heads.json', 'mask.json', 'metrics.json', 'delta/delta.json', 'checkpoint/config.json'].map((name) =>
        fs.readFileSync(path.join(out, name), 'utf8'),
      );
    for (const other of [spec(2e-3, 1), spec(1e-3, 2), spec(2e-3, 2)]) {
      // Once without, once with all results of the wanted options.
      for (const first of [undefined, spec(1e-3, 1)]) {
        const out = folder();
        if (first) await attempt(out, first);
        await attempt(out, other, cut);
        await attempt(out, spec(1e-3, 1));
        expect(read(out)).toEqual(read(wanted));
      }
    }
  });
});
