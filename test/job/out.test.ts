import * as fs from 'node:fs';
import * as net from 'node:net';
import * as path from 'node:path';
import { checkFolder, claimFile, claimFolder, inFolder, type OwnResults, replaceFolder } from '../../job/out';
import { EXPORT_FOLDERS, JOB_RESULTS } from '../../job/own-folders';
import { scratchFolders } from './scratch-folders';

const { scratch, folder } = scratchFolders('out');

describe('--out as a folder', () => {
  const none = { files: [], folders: {} };
  const claim = (out: string, rules: object, results: OwnResults = none) =>
    inFolder(out, rules, results, async () => 7);
  const own = { parts: ['delta.json', 'delta.safetensors'], signs: ['delta.json'] };
  const delta = { files: ['heads.json'], folders: { delta: own } };

  test('may be new or empty', async () => {
    const out = path.join(folder(), 'deep', 'er');
    expect(await claim(out, {})).toBe(7);
    expect(fs.existsSync(path.dirname(out))).toBe(false); // no result, no folder
    fs.mkdirSync(out, { recursive: true });
    expect(await claim(out, {})).toBe(7);
    expect(fs.readdirSync(out)).toEqual([]);
  });

  test('belongs to one command that can resume', async () => {
    const out = folder('heads.json');
    const rules = { resume: true };
    const second = await inFolder(out, rules, none, () => claim(out, rules).catch((error: Error) => error));
    expect(second).toMatchObject({
      code: 'INVALID_INPUT',
      message: `--out ${out} is in use by process ${process.pid}: end that one first, or give another --out`,
    });
    expect(await claim(out, rules)).toBe(7);
    expect(fs.readdirSync(out)).toEqual(['heads.json']);
  });

  test('may hold results with --resume or --overwrite only, and keeps them until they are replaced', async () => {
    const out = folder('heads.json', 'delta/delta.json', 'notes.txt');
    expect(() => checkFolder(out, {}, none)).toThrow(
      /is not empty \(it holds delta\): give a new folder or --overwrite$/,
    );
    expect(() => checkFolder(out, { resume: false }, none)).toThrow(/give a new folder, --resume or --overwrite$/);
    expect(() => checkFolder(out, { resume: true, overwrite: true }, none)).toThrow(/give one of them$/);
    for (const rules of [{ resume: true }, { overwrite: true }]) {
      await claim(out, rules, delta);
      expect(fs.readdirSync(out)).toEqual(['delta', 'heads.json', 'notes.txt']);
      expect(fs.readdirSync(path.join(out, 'delta'))).toEqual(['delta.json']);
    }
  });

  test.each([
    ['a file of a user beside ours', ['delta/delta.json', 'delta/thesis.doc'], 'thesis.doc'],
    ['what only has our names', ['delta/delta.safetensors'], 'delta.safetensors'],
    ['a folder in it', ['delta/delta.json', 'delta/old/x'], 'old'],
  ])('a folder that holds %s is left alone', async (_, files, named) => {
    const out = folder(...files);
    for (const rules of [{ resume: true }, { overwrite: true }]) {
      await expect(claim(out, rules, delta)).rejects.toMatchObject({
        code: 'INVALID_INPUT',
        message: expect.stringContaining(`/delta is not what this command writes (it holds ${named})`),
      });
    }
    for (const file of files) expect(fs.existsSync(path.join(out, file))).toBe(true);
  });

  test('may hold partial files of a killed process', async () => {
    const out = folder(
      'delta/delta.json',
      'delta/.hifi-01234567-89ab-cdef-0123-456789abcdef',
      'delta/.hifi-01234567-89ab-cdef-0123-456789abcdee/delta.json',
    );
    expect(await claim(out, { overwrite: true }, delta)).toBe(7);
  });

  test('is removed after a failure if it was new', async () => {
    const fail = (make: string) => async (out: string) => {
      fs.mkdirSync(path.join(out, make), { recursive: true });
      throw new Error('bad input');
    };
    const parent = folder('mine.txt');
    const attempt = (out: string, make: string) => inFolder(out, {}, none, () => fail(make)(out));
    await expect(attempt(path.join(parent, 'a', 'b'), 'state')).rejects.toThrow('bad input');
    expect(fs.readdirSync(parent)).toEqual(['mine.txt']);
    const empty = path.join(parent, 'empty');
    fs.mkdirSync(empty);
    await expect(attempt(empty, '.')).rejects.toThrow('bad input');
    await expect(attempt(path.join(parent, 'c'), 'result')).rejects.toThrow('bad input');
    expect(fs.readdirSync(parent)).toEqual(['c', 'empty', 'mine.txt']);
  });

  test('may not hold a result that cannot be replaced: reported before any work', () => {
    const out = folder('heads.json/x', 'notes.txt');
    expect(() => checkFolder(out, { overwrite: true }, delta)).toThrow(/heads\.json is not a file/);
    const linked = folder('notes.txt');
    fs.symlinkSync('nowhere/heads.json/x', path.join(linked, 'state'));
    checkFolder(linked, { overwrite: true }, delta);
  });

  test.each(Object.keys(EXPORT_FOLDERS))('may not hold a user file below %s/, which stays', async (format) => {
    const { parts, signs } = JOB_RESULTS.folders[format];
    const files = [...signs!, ...parts.filter((part): part is string => typeof part === 'string')];
    const deepest = path.dirname(files.find((file) => file.includes('/')) ?? files[0]);
    const mine = path.join(deepest, 'thesis.doc');
    const out = folder(...[...files, mine].map((file) => path.join(format, file)));
    const message = `--out ${path.join(out, format)} is not what this command writes (it holds ${mine}), so it is left alone: give another --out`;
    for (const rules of [{ overwrite: true }, { resume: true }]) {
      expect(() => checkFolder(out, rules, JOB_RESULTS)).toThrow(message);
    }
    const own = EXPORT_FOLDERS[format as keyof typeof EXPORT_FOLDERS];
    expect(() => claimFolder(path.join(out, format), own, true)).toThrow(message);
    fs.rmSync(path.join(out, format, mine));
    checkFolder(out, { overwrite: true }, JOB_RESULTS);
  });

  test('may not be a file', () => {
    expect(() => checkFolder(path.join(folder('file'), 'file'), { resume: true }, none)).toThrow(
      /is a file: give a folder$/,
    );
  });
});

test('--out as a file must be new or empty, unless --overwrite is given', () => {
  const out = folder('mask.json', 'deep/er');
  fs.writeFileSync(path.join(out, 'empty.json'), '');
  claimFile(path.join(out, 'new.json'));
  claimFile(path.join(out, 'empty.json'));
  claimFile(path.join(out, 'mask.json'), true);
  expect(() => claimFile(path.join(out, 'mask.json'))).toThrow(/exists: give a new file or --overwrite$/);
  expect(() => claimFile(path.join(out, 'deep'), true)).toThrow(/is a folder/);
  const below = path.join(out, 'mask.json', 'new.json');
  expect(() => claimFile(below)).toThrow(`--out ${below} cannot be written: ${path.dirname(below)} is a file`);
});

test.each(['/dev/null', '/dev/stdout', 'socket'])(
  '--out as a file may not be %s, even with --overwrite',
  async (name) => {
    const out = path.resolve(folder('mask.json'), name);
    const server = net.createServer();
    if (name === 'socket') await new Promise<void>((resolve) => server.listen(out, resolve));
    const refusal = { code: 'INVALID_INPUT', message: `--out ${out} is a device or a pipe: give the name of a file` };
    try {
      for (const overwrite of [false, true]) {
        expect(() => claimFile(out, overwrite)).toThrow(expect.objectContaining(refusal));
      }
    } finally {
      server.close();
    }
  },
);

test('--out as a file may not be a descriptor, even one of a file', () => {
  const handle = fs.openSync(path.join(folder('lines.jsonl'), 'lines.jsonl'), 'r');
  try {
    expect(() => claimFile(`/dev/fd/${handle}`, true)).toThrow(/is a device or a pipe/);
  } finally {
    fs.closeSync(handle);
  }
});

describe('a folder that is replaced as a whole', () => {
  const make = async (at: string) => {
    fs.mkdirSync(at, { recursive: true });
    fs.writeFileSync(path.join(at, 'undo'), 'new');
    return 7;
  };

  const own = { parts: ['undo', 'model'], signs: ['undo'] };

  test('replaces a folder of its own kind, no other', async () => {
    const mine = folder('undo', 'model');
    await expect(replaceFolder(mine, own, false, make)).rejects.toThrow(/--overwrite$/);
    expect(await replaceFolder(mine, own, true, make)).toBe(7);
    expect(fs.readdirSync(mine)).toEqual(['undo']);
    // A base model has the same files, except the undo file.
    for (const other of [folder('model'), folder('undo', 'thesis.doc')]) {
      const before = fs.readdirSync(other);
      await expect(replaceFolder(other, own, true, make)).rejects.toThrow(/is left alone: give another --out$/);
      expect(fs.readdirSync(other)).toEqual(before);
    }
  });

  test('stays unchanged if the new one fails', async () => {
    const mine = folder('undo', 'model');
    const fail = async (at: string) => {
      await make(at);
      throw new Error('disk full');
    };
    const beside = fs.readdirSync(scratch);
    await expect(replaceFolder(mine, own, true, fail)).rejects.toThrow('disk full');
    expect(fs.readdirSync(mine)).toEqual(['model', 'undo']);
    expect(fs.readdirSync(scratch)).toEqual(beside);
  });

  test('does not appear if the new one fails', async () => {
    const out = folder();
    const fail = async (at: string) => {
      await make(at);
      throw new Error('cancelled');
    };
    await expect(replaceFolder(out, own, false, fail)).rejects.toThrow('cancelled');
    expect(fs.existsSync(out)).toBe(false);
  });
});
