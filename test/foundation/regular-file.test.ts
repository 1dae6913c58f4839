import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as net from 'node:net';
import * as os from 'node:os';
import * as path from 'node:path';
import { readDelta } from '../../delta/delta';
import { copyTokenizer, undoCheckpoint } from '../../delta/undo';
import { readMask, readScores } from '../../job/files';
import { openCheckpoint } from '../../model/checkpoint';
import { loadTokenizer } from '../../model/tokenizer';

/*
 * Paths that are no regular files. Reading a FIFO without a writer waits forever, so a service
 * would stop for all its callers.
 */
const tiny = path.join(__dirname, '../fixtures/tiny-bert');
const root = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-regular-'));
const server = net.createServer();
afterAll(async () => {
  await new Promise((done) => server.close(done));
  fs.rmSync(root, { recursive: true });
});

/** Copy of tiny-bert with something else in place of a file. */
function model(name: string, put: (file: string) => void): string {
  const folder = fs.mkdtempSync(path.join(root, 'model-'));
  fs.cpSync(tiny, folder, { recursive: true });
  fs.rmSync(path.join(folder, name), { force: true });
  put(path.join(folder, name));
  return folder;
}
const fifo = (file: string) => execFileSync('mkfifo', [file]);
const refusal = async (work: () => unknown): Promise<string> => {
  try {
    await work();
  } catch (error) {
    expect(error).toMatchObject({ code: 'INVALID_INPUT', message: expect.not.stringContaining('\n') });
    return (error as Error).message;
  }
  throw new Error('was not refused');
};
const load = async (folder: string) => {
  (await openCheckpoint(folder)).close();
  loadTokenizer(folder);
};

test.each(['config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer_config.json'])(
  'a FIFO as %s is refused at once',
  async (name) => {
    const folder = model(name, fifo);
    expect(await refusal(() => load(folder))).toBe(`${folder}/${name}: is a FIFO; it must be a regular file`);
  },
);

test('a FIFO as index, vocab.txt, merges.txt, mask, scores, delta and undo file', async () => {
  const right = 'is a FIFO; it must be a regular file';
  const sharded = model('model.safetensors.index.json', fifo);
  fs.rmSync(path.join(sharded, 'model.safetensors'));
  expect(await refusal(() => openCheckpoint(sharded))).toContain(right);
  for (const [name, tokenizer_class] of [
    ['vocab.txt', 'BertTokenizer'],
    ['merges.txt', 'RobertaTokenizer'],
  ]) {
    const older = model(name, fifo);
    expect(await refusal(() => copyTokenizer(older, root))).toContain(right);
    fs.rmSync(path.join(older, 'tokenizer.json'));
    fs.writeFileSync(path.join(older, 'tokenizer_config.json'), JSON.stringify({ tokenizer_class }));
    fs.writeFileSync(path.join(older, 'vocab.json'), '{"<s>":0,"</s>":1,"<unk>":2,"<pad>":3,"<mask>":4}');
    expect(await refusal(() => loadTokenizer(older))).toContain(right);
  }
  const pipe = path.join(root, 'pipe');
  fifo(pipe);
  expect(await refusal(() => readMask(pipe))).toContain(right);
  expect(await refusal(() => readScores(pipe))).toContain(right);
  const delta = model('delta.json', fifo);
  fs.writeFileSync(path.join(delta, 'delta.safetensors'), '');
  expect(await refusal(() => readDelta(delta))).toContain(right);
  const undo = model('undo.safetensors', fifo);
  expect(await refusal(() => undoCheckpoint(undo, path.join(root, 'undone')))).toContain(right);
});

test('a device, a socket and a folder are named', async () => {
  const device = model('tokenizer.json', (file) => fs.symlinkSync('/dev/zero', file));
  expect(await refusal(() => load(device))).toContain('tokenizer.json: is a device; it must be a regular file');
  const socket = model('config.json', () => {});
  await new Promise<void>((done) => server.listen(path.join(socket, 'config.json'), done));
  expect(await refusal(() => load(socket))).toContain('config.json: is a socket; it must be a regular file');
  const folder = model('model.safetensors', fs.mkdirSync);
  expect(await refusal(() => load(folder))).toContain('model.safetensors: is a folder; it must be a regular file');
});

const POINTER =
  'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n';
test.each([
  ['a Git LFS pointer', POINTER, 'is a Git LFS pointer, not the file itself; `git lfs pull` fetches the file'],
  ['an HTML page', '<!DOCTYPE html>\n<html><body>Not found</body></html>', 'is an HTML page, not the file itself'],
  ['an XML document', '<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', 'is an XML document'],
  ['a ZIP archive', 'PK\x03\x04\x00\x00\x00\x00', 'is a ZIP archive, such as PyTorch writes'],
])('%s is named in place of any file', async (_, content, message) => {
  for (const name of ['model.safetensors', 'config.json', 'tokenizer.json', 'tokenizer_config.json']) {
    const folder = model(name, (file) => fs.writeFileSync(file, content));
    expect(await refusal(() => load(folder))).toContain(`${folder}/${name}: ${message}`);
  }
});
