import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { ANALYSIS_DEFAULTS } from '../../analyzer/options';
import type { JobSpec } from '../../gateway/job';
import { checkFolder, claimFile, claimFolder, FolderPlace, replaceFolder, resultKeys } from '../../gateway/place';
import { SELECTION_DEFAULTS } from '../../heads/select';
import { TRAIN_DEFAULTS } from '../../trainer/options';
import { sampleMask, sampleMetrics, sampleReport } from './sample-results';

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-place-'));
afterAll(() => fs.rmSync(scratch, { recursive: true }));
let count = 0;

/** A folder with files in it. */
function folder(...files: string[]): string {
  const at = path.join(scratch, `out-${count++}`);
  for (const file of files) {
    fs.mkdirSync(path.dirname(path.join(at, file)), { recursive: true });
    fs.writeFileSync(path.join(at, file), file);
  }
  return at;
}

describe('--out as a folder', () => {
  test('new or empty is taken', () => {
    const out = path.join(folder(), 'deep', 'er');
    claimFolder(out, [], {});
    expect(fs.readdirSync(out)).toEqual([]);
    claimFolder(out, [], {});
  });

  test('what holds something is taken with --resume or --overwrite alone', () => {
    const out = folder('heads.json', 'delta/delta.json', 'notes.txt');
    expect(() => checkFolder(out, {})).toThrow(/is not empty \(it holds delta\): give a new folder, --overwrite$/);
    expect(() => checkFolder(out, { resume: false })).toThrow(/give a new folder, --resume or --overwrite$/);
    expect(() => checkFolder(out, { resume: true, overwrite: true })).toThrow(/give one$/);
    claimFolder(out, ['heads.json', 'delta'], { resume: true });
    expect(fs.readdirSync(out)).toEqual(['delta', 'heads.json', 'notes.txt']);
  });

  test('--overwrite removes results and nothing else', () => {
    const out = folder('heads.json', 'delta/delta.json', 'notes.txt');
    claimFolder(out, ['heads.json', 'delta', 'state'], { overwrite: true });
    expect(fs.readdirSync(out)).toEqual(['notes.txt']);
  });

  test('a file is refused', () => {
    expect(() => checkFolder(path.join(folder('file'), 'file'), { resume: true })).toThrow(/is a file: give a folder$/);
  });
});

test('--out as a file: new or empty, else --overwrite', () => {
  const out = folder('mask.json', 'deep/er');
  fs.writeFileSync(path.join(out, 'empty.json'), '');
  claimFile(path.join(out, 'new.json'));
  claimFile(path.join(out, 'empty.json'));
  claimFile(path.join(out, 'mask.json'), true);
  expect(() => claimFile(path.join(out, 'mask.json'))).toThrow(/exists: give a new file or --overwrite$/);
  expect(() => claimFile(path.join(out, 'deep'), true)).toThrow(/is a folder/);
});

describe('a folder that appears as a whole', () => {
  const make = async (at: string) => {
    fs.mkdirSync(at, { recursive: true });
    fs.writeFileSync(path.join(at, 'undo'), 'new');
    return 7;
  };

  test('replaces one of its own kind, no other', async () => {
    const mine = folder('undo', 'model');
    await expect(replaceFolder(mine, ['undo', 'model'], false, make)).rejects.toThrow(/--overwrite$/);
    expect(await replaceFolder(mine, ['undo', 'model'], true, make)).toBe(7);
    expect(fs.readdirSync(mine)).toEqual(['undo']);
    // A base model has the same files but for the one that tells.
    for (const other of [folder('model'), folder('undo', 'thesis.doc')]) {
      const before = fs.readdirSync(other);
      await expect(replaceFolder(other, ['undo', 'model'], true, make)).rejects.toThrow(/leaves it alone$/);
      expect(fs.readdirSync(other)).toEqual(before);
    }
  });

  test('stays as it was where the new one fails', async () => {
    const mine = folder('undo', 'model');
    const fail = async (at: string) => {
      await make(at);
      throw new Error('disk full');
    };
    const beside = fs.readdirSync(scratch);
    await expect(replaceFolder(mine, ['undo', 'model'], true, fail)).rejects.toThrow('disk full');
    expect(fs.readdirSync(mine)).toEqual(['model', 'undo']);
    expect(fs.readdirSync(scratch)).toEqual(beside);
  });
});

describe('what a resumed job keeps', () => {
  const spec: JobSpec = {
    model: 'm',
    train: { path: 'rows.tsv', task: 'sst2' },
    analysis: ANALYSIS_DEFAULTS,
    selection: SELECTION_DEFAULTS,
    training: TRAIN_DEFAULTS,
    exports: ['checkpoint'],
  };
  const inputs = { model: sampleReport().model.sha256, train: 'rows', dev: null };
  const keys = resultKeys(spec, inputs);

  async function finished(): Promise<string> {
    const out = folder('delta/delta.json', 'checkpoint/config.json');
    const place = new FolderPlace(out, keys, inputs.model, false);
    await place.write('heads.json', sampleReport());
    await place.write('mask.json', sampleMask());
    await place.write('metrics.json', sampleMetrics());
    return out;
  }

  const keeps = async (out: string, now = keys, model = inputs.model, resume = true) => {
    const place = new FolderPlace(out, now, model, resume);
    const names = ['heads.json', 'mask.json', 'metrics.json'] as const;
    const kept = await Promise.all(names.map((name) => place.kept(name)));
    return names.filter((_, i) => kept[i] !== undefined);
  };

  test('all that is whole and made of the same', async () => {
    const out = await finished();
    expect(await keeps(out)).toEqual(['heads.json', 'mask.json', 'metrics.json']);
    expect(await keeps(out, keys, inputs.model, false)).toEqual([]);
    expect(await new FolderPlace(out, keys, inputs.model, true).keptExport('checkpoint')).toBe(true);
    expect(await keeps(out, keys, 'another model')).toEqual(['metrics.json']);
  });

  test('nothing that depends on what has changed', async () => {
    const out = await finished();
    const changed = (change: Partial<JobSpec>, files = inputs) => keeps(out, resultKeys({ ...spec, ...change }, files));
    expect(await changed({ training: { ...TRAIN_DEFAULTS, lr: 2e-3 } })).toEqual(['heads.json', 'mask.json']);
    expect(await changed({ selection: { ...SELECTION_DEFAULTS, k: 1 } })).toEqual(['heads.json']);
    expect(await changed({ analysis: { ...ANALYSIS_DEFAULTS, samples: 7 } })).toEqual([]);
    expect(await changed({ train: { path: 'rows.tsv', task: 'cola' } })).toEqual([]);
    expect(await changed({}, { ...inputs, train: 'other rows' })).toEqual([]);
    const files = { ...inputs, dev: 'dev rows' } as unknown as typeof inputs;
    expect(await changed({}, files)).toEqual(['heads.json', 'mask.json']);
    // Where it runs, and by which path, changes nothing.
    const moved = { train: { task: 'sst2' as const, path: 'elsewhere/rows.tsv' }, model: 'elsewhere' };
    const analysis = { ...ANALYSIS_DEFAULTS, threads: 1, device: 'cpu' as const };
    expect(await changed({ ...moved, analysis })).toEqual(['heads.json', 'mask.json', 'metrics.json']);
  });

  test('nothing that is damaged or gone', async () => {
    const out = await finished();
    fs.truncateSync(path.join(out, 'heads.json'), 100);
    fs.rmSync(path.join(out, 'delta'), { recursive: true });
    expect(await keeps(out)).toEqual(['mask.json']);
    fs.rmSync(path.join(out, 'state'), { recursive: true });
    expect(await keeps(out)).toEqual([]);
  });
});
