import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { requireRoom, writeFully, writing } from '../../foundation/disk';
import { writeWhole } from '../../foundation/whole-file';
import { publishFolder } from '../../foundation/whole-folder';
import { FolderArtifacts } from '../../infra/artifacts/folder-store';
import { writeInlineRows } from '../../infra/artifacts/inline-rows';
import { rememberCommit } from '../../model/hub/cache';
import { WeightsFile } from '../../model/onnx';
import { writeSafetensors } from '../../model/safetensors';
import { status } from '../../proto/status';
import { readRunRecord, writeRunRecord } from '../../trainer/run-record';
import { loadState, saveState } from '../../trainer/state';
import { WindowsFile } from '../../trainer/windows-file';
import { temporaryFolder } from '../support/deltas';
import { FillingDisk } from '../support/filling-disk';

const HOOK = path.join(__dirname, '../support/typescript-hook.cjs');

/*
 * Every writer of files, on a disk that is full when it writes: the old file stays, and nothing
 * else remains.
 */

/** Numbers of a file of 100 kB. */
const SIZE = 25_000;
const numbers = (version: number) => new Float32Array(SIZE).fill(version);
const bytesOf = (values: Float32Array) => new Uint8Array(values.buffer);
const text = (version: number) => `${version}`.repeat(100_000);

/** Writer under test: `write` puts a version into a folder, `read` returns the version there. */
interface Point {
  write(folder: string, version: number): unknown;
  read(folder: string): Promise<number> | number;
}

const firstOf = (file: string) => (fs.existsSync(file) ? Number(fs.readFileSync(file, 'utf8')[0]) : 0);
const tensors = (version: number) => [
  { name: 'x', dtype: 'F32', shape: [SIZE], bytes: () => bytesOf(numbers(version)) },
];
const progress = (step: number) => ({ step, lossSum: 0, lossRows: 0, seconds: 0, epochs: [], bestEpoch: 0 });

const POINTS: Record<string, Point> = {
  'a text file (results, report, rows of a comparison)': {
    write: (folder, version) => writeWhole(path.join(folder, 'text'), text(version)),
    read: (folder) => firstOf(path.join(folder, 'text')),
  },
  'a safetensors file': {
    write: (folder, version) => writeSafetensors(path.join(folder, 'model.safetensors'), tensors(version)),
    read(folder) {
      const file = path.join(folder, 'model.safetensors');
      return fs.existsSync(file) ? fs.readFileSync(file).readFloatLE(fs.statSync(file).size - 4) : 0;
    },
  },
  "a training's checkpoint": {
    write(folder, version) {
      const values = numbers(version);
      const training = { parameters: values, firstMoment: values, secondMoment: values };
      saveState(folder, 'run', { progress: progress(version), training, best: values, bestLogits: values });
    },
    read: (folder) => loadState(folder, 'run', SIZE)?.progress.step ?? 0,
  },
  "a run's record": {
    write: (folder, version) => writeRunRecord(folder, { key: text(version) }),
    read: (folder) => Number(readRunRecord(folder)?.key[0] ?? 0),
  },
  'a folder: a delta, an export': {
    write(folder, version) {
      publishFolder(
        path.join(folder, 'delta'),
        (beside) => fs.writeFileSync(path.join(beside, 'delta.json'), text(version)),
        { parts: ['delta.json'] },
      );
    },
    read: (folder) => firstOf(path.join(folder, 'delta/delta.json')),
  },
  'a text of the artifact store': {
    async write(folder, version) {
      await new FolderArtifacts(folder).addText(text(version));
    },
    async read(folder) {
      const versions = [2, 1].map((version) => [version, createHash('sha256').update(text(version)).digest('hex')]);
      const store = new FolderArtifacts(folder);
      for (const [version, sha256] of versions) if (await store.has(sha256 as string)) return Number(version);
      return 0;
    },
  },
  'the commit of a cached model': {
    write: (folder, version) => rememberCommit(folder, 'owner/name', 'main', String(version).repeat(40)),
    read: (folder) => firstOf(path.join(folder, 'models--owner--name/refs/main')),
  },
};

const disk = FillingDisk.mount(4);
afterAll(() => disk?.unmount());
afterEach(() => {
  disk?.empty();
  for (const name of disk ? fs.readdirSync(disk.folder) : [])
    fs.rmSync(path.join(disk!.folder, name), { recursive: true });
});
const filesOf = (folder: string) =>
  fs
    .readdirSync(folder, { recursive: true, withFileTypes: true })
    .flatMap((entry) => (entry.isFile() ? [entry.name] : []));

const onDisk = disk ? describe : describe.skip;

onDisk.each(Object.entries(POINTS))('%s', (_, { write, read }) => {
  // With room for a part of the file, the system writes that part; with none, it writes nothing.
  it.each([0, 8192, 65_536])('leaves the old or the new version, with %i bytes free', async (left) => {
    const folder = path.join(disk!.folder, 'work');
    fs.mkdirSync(folder);
    await write(folder, 1);
    expect(await read(folder)).toBe(1);
    const before = filesOf(folder);
    disk!.fill(left);
    let error: { code?: string; message?: string } | undefined;
    try {
      await write(folder, 2);
    } catch (thrown) {
      error = thrown as Error;
    }
    // A file of a few bytes fits into a page.
    if (error === undefined) expect([left > 0, await read(folder)]).toEqual([true, 2]);
    else {
      expect(error).toMatchObject({ code: 'DISK_FULL', message: expect.stringMatching(/[\d.]+ (bytes|kB|MB)/) });
      expect(await read(folder)).toBe(1);
      expect(filesOf(folder)).toEqual(before);
    }
    disk!.empty();
    await write(folder, 2);
    expect(await read(folder)).toBe(2);
  });
});

onDisk('what belongs to one call', () => {
  it('errors of inline rows and engine weights name the full disk', async () => {
    const file = path.join(disk!.folder, 'rows.jsonl');
    const rows = { kind: 'inline' as const, texts: [text(1)] };
    disk!.fill();
    const written = writeInlineRows(rows, { file, field: 'train.inline', labels: false });
    await expect(written).rejects.toMatchObject({ code: 'DISK_FULL', message: expect.stringContaining('rows.jsonl') });
    disk!.empty();
    const weights = new WeightsFile(disk!.folder, 'weights');
    disk!.fill(8192);
    const full = {
      code: 'DISK_FULL',
      message: expect.stringMatching(/weights cannot be written: its disk is full, with/),
    };
    expect(() => weights.append(bytesOf(numbers(1)))).toThrow(expect.objectContaining(full));
    weights.close();
  });

  it("a full disk for a training's windows does not end the training", () => {
    const windows = new WindowsFile(disk!.folder);
    windows.write({ windows: 1, milliseconds: 10 });
    disk!.fill();
    windows.write({ windows: 2, milliseconds: 20 });
    expect(windows.read()).toEqual({ windows: 1, milliseconds: 10 });
  });

  it('a file that does not fit is refused before a byte is written, with its size and the free space', () => {
    disk!.fill(1 << 20);
    const file = path.join(disk!.folder, 'not/there/yet');
    expect(() => requireRoom(file, 1 << 19)).not.toThrow();
    expect(() => requireRoom(file, 3 << 20)).toThrow(/needs 3\.1 MB of disk space; 1\.\d MB are free there/);
  });
});

// `ulimit -f` counts 1024 bytes. Node ignores the signal that comes with it, so the write fails
// with EFBIG.
it('the error of a file size limit names the limit, and the old file stays', () => {
  const folder = temporaryFolder('limit');
  const file = path.join(folder, 'model.safetensors');
  writeSafetensors(file, tensors(1));
  const script = `
    const { writeSafetensors } = require(${JSON.stringify(path.resolve(__dirname, '../../model/safetensors'))});
    try {
      const bytes = () => new Uint8Array(${4 * SIZE});
      writeSafetensors(${JSON.stringify(file)}, [{ name: 'x', dtype: 'F32', shape: [${SIZE}], bytes }]);
    } catch ({ code, message }) {
      console.log(JSON.stringify({ code, message }));
    }`;
  const limited = ['-c', 'ulimit -f 50 && exec "$@"', 'bash', process.execPath, '--require', HOOK, '-e', script];
  const reported = JSON.parse(execFileSync('bash', limited, { encoding: 'utf8' }));
  expect(reported).toEqual({ code: 'FAILED', message: expect.stringMatching(/would exceed .*ulimit -f/) });
  expect(POINTS['a safetensors file'].read(folder)).toBe(1);
  expect(fs.readdirSync(folder)).toEqual(['model.safetensors']);
  fs.rmSync(folder, { recursive: true });
});

// A write that finds no descriptor has not opened a file yet.
it('without a free descriptor the old file stays, and a later write succeeds', () => {
  const folder = temporaryFolder('descriptors');
  const of = (name: string) => JSON.stringify(path.resolve(__dirname, '../..', name));
  const script = `
    const fs = require('node:fs');
    const { FolderArtifacts } = require(${of('infra/artifacts/folder-store')});
    const { rpcErrorOf } = require(${of('proto/status')});
    const { sha256OfFile } = require(${of('foundation/hash')});
    const { readDataset } = require(${of('data/read')});
    const { writeWhole } = require(${of('foundation/whole-file')});
    const file = ${of('package.json')};
    const reasonOf = (work) => work.then(() => 'none', (error) => rpcErrorOf(error).reason);
    const store = new FolderArtifacts(${JSON.stringify(folder)});
    const bytes = Buffer.from('abc');
    const sha256 = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
    const receive = () => store.receive({ sha256, sizeBytes: 3, offset: 0 }, (async function* () { yield bytes; })());
    void (async () => {
      const open = [];
      try { for (;;) open.push(fs.openSync('/dev/null')); } catch {}
      const { code, reason } = await receive().then(() => ({}), rpcErrorOf);
      const before = await store.has(sha256);
      const reasons = [
        await reasonOf(sha256OfFile(file)),
        await reasonOf(readDataset({ path: file, format: 'txt' }, 'texts')),
        await reasonOf((async () => writeWhole(${JSON.stringify(path.join(folder, 'whole'))}, 'text'))()),
      ];
      open.forEach((descriptor) => fs.closeSync(descriptor));
      await receive();
      console.log(JSON.stringify({ code, reason, reasons, before, after: await store.isWhole(sha256) }));
    })();`;
  const limited = ['-c', 'ulimit -n 64 && exec "$@"', 'bash', process.execPath, '--require', HOOK, '-e', script];
  const reported = JSON.parse(execFileSync('bash', limited, { encoding: 'utf8' }));
  const reason = 'TOO_MANY_FILES';
  // None of them is bad input.
  const reasons = [reason, reason, reason];
  expect(reported).toEqual({ code: status.RESOURCE_EXHAUSTED, reason, reasons, before: false, after: true });
  fs.rmSync(folder, { recursive: true });
});

it('errors of another kind are unchanged', async () => {
  const other = Object.assign(new Error('too many open files'), { code: 'EMFILE' });
  const throwing = () => {
    throw other;
  };
  expect(() => writing('file', throwing)).toThrow(other);
  await expect(writing('file', async () => throwing())).rejects.toBe(other);
  const closed = fs.openSync('/dev/null', 'w');
  fs.closeSync(closed);
  expect(() => writeFully(closed, new Uint8Array(1), 'file')).toThrow(/EBADF/);
});
