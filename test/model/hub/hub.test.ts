import { spawn, spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import type { HifiError } from '../../../foundation/errors';
import { openCheckpoint } from '../../../model/checkpoint';
import { modelCache, type ResolveOptions, resolveModel } from '../../../model/resolve';
import { fixtures, startHifi } from '../../cli/spawn';
import { torchModel } from '../../support/deltas';
import { FakeHub, filesOf } from '../../support/hub';

/*
 * Models by name, from a local server that behaves as the Hub does.
 */
const [ONE, TWO] = ['1', '2'].map((digit) => digit.repeat(40));
const NAME = 'acme/tiny-bert';
const model = path.join(fixtures, 'tiny-bert');
const weights = fs.readFileSync(path.join(model, 'model.safetensors'));
const child = path.join(__dirname, 'resolve-child.ts');
const VARIABLES = ['HF_ENDPOINT', 'HF_TOKEN', 'HF_TOKEN_PATH', 'HF_HOME', 'HF_HUB_CACHE', 'HF_HUB_OFFLINE'] as const;
const environment = { ...process.env };

let root: string;
let hub: FakeHub;

beforeEach(async () => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-hub-'));
  hub = new FakeHub();
  await hub.start();
  hub.repositories[NAME] = {
    refs: { main: ONE },
    commits: { [ONE]: { ...filesOf(model), 'README.md': Buffer.from('x') } },
  };
  for (const name of VARIABLES) delete process.env[name];
  process.env.XDG_CACHE_HOME = root;
  process.env.HF_ENDPOINT = hub.endpoint;
});

afterEach(async () => {
  await hub.stop();
  for (const name of [...VARIABLES, 'XDG_CACHE_HOME']) {
    if (environment[name] === undefined) delete process.env[name];
    else process.env[name] = environment[name];
  }
  fs.rmSync(root, { recursive: true });
});

const snapshot = (commit: string, cache = modelCache()) =>
  path.join(cache, 'models--acme--tiny-bert', 'snapshots', commit);
/** Files of a folder as text, for a fast comparison. */
const textsOf = (files: Record<string, Buffer>) =>
  Object.fromEntries(Object.entries(files).map(([name, bytes]) => [name, bytes.toString('latin1')]));
const textsIn = (folder: string) => textsOf(filesOf(folder));
const blobs = () => fs.readdirSync(path.join(modelCache(), 'models--acme--tiny-bert', 'blobs'));
const weightRequests = () =>
  hub
    .takeSeen()
    .filter(({ host }) => host === 'cdn')
    .map(({ method, range }) => `${method} ${range ?? ''}`);

async function failure(name: string, options: ResolveOptions = {}): Promise<HifiError> {
  const error = await resolveModel(name, options).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ name: 'HifiError' });
  expect((error as HifiError).message).not.toContain('\n');
  return error as HifiError;
}

/** Creates a cache of Python's with the model, as `snapshot_download` does. */
function pythonCache(commit: string): string {
  const cache = path.join(root, 'huggingface/hub');
  const at = path.join(cache, 'models--acme--tiny-bert');
  for (const folder of ['refs', 'blobs', `snapshots/${commit}`])
    fs.mkdirSync(path.join(at, folder), { recursive: true });
  fs.writeFileSync(path.join(at, 'refs/main'), commit);
  for (const [name, bytes] of Object.entries(filesOf(model))) {
    fs.writeFileSync(path.join(at, 'blobs', `of-${name}`), bytes);
    fs.symlinkSync(`../../blobs/of-${name}`, path.join(snapshot(commit, cache), name));
  }
  return cache;
}

describe('a download', () => {
  test('fetches the needed files, reports its progress, and is a model of its name', async () => {
    const reported: { done: number; total: number }[] = [];
    const folder = await resolveModel(NAME, { onProgress: (progress) => reported.push(progress) });
    expect(folder).toBe(snapshot(ONE));
    expect(textsIn(folder)).toEqual(textsIn(model));
    const bytes = Object.values(filesOf(model)).reduce((sum, { length }) => sum + length, 0);
    expect(reported.at(-1)).toEqual({ done: bytes, total: bytes });
    expect(reported.map(({ done }) => done)).toEqual(reported.map(({ done }) => done).sort((a, b) => a - b));
    const checkpoint = await openCheckpoint(folder);
    checkpoint.close();
    expect(checkpoint.name).toBe(NAME);
  });

  test('names the blobs as Git does, large ones by their SHA-256', async () => {
    await resolveModel(NAME);
    const git = spawnSync('git', ['hash-object', path.join(model, 'config.json')], { encoding: 'utf8' });
    const script = 'import hashlib, sys; print(hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest())';
    const sha = spawnSync('python3', ['-c', script, path.join(model, 'model.safetensors')], { encoding: 'utf8' });
    expect(blobs()).toEqual(expect.arrayContaining([git.stdout.trim(), sha.stdout.trim()]));
    expect(blobs()).toHaveLength(Object.keys(filesOf(model)).length);
  });

  test('resumes after interruptions, and tries busy servers again', async () => {
    hub.fail('hub', /revision/, { status: 503 });
    hub.fail('cdn', /safetensors/, { cutAt: 10_000 });
    hub.fail('cdn', /safetensors/, { status: 500 });
    hub.fail('cdn', /safetensors/, { cutAt: 5_000 });
    expect(textsIn(await resolveModel(NAME))).toEqual(textsIn(model));
    const sent = weightRequests().filter((request) => request.startsWith('GET'));
    expect(sent).toEqual(['GET ', 'GET bytes=10000-', 'GET bytes=10000-', 'GET bytes=15000-']);
  });

  test('starts again if the server does not support ranges', async () => {
    hub.fail('cdn', /safetensors/, { cutAt: 10_000 });
    hub.fail('cdn', /safetensors/, { noRange: true });
    expect(textsIn(await resolveModel(NAME))).toEqual(textsIn(model));
  });

  test('refuses other bytes by their hash, and removes them', async () => {
    hub.fail('cdn', /safetensors/, { body: Buffer.alloc(weights.length) });
    const error = await failure(NAME);
    expect(error.code).toBe('FAILED');
    expect(error.message).toMatch(
      /^acme\/tiny-bert: model\.safetensors: its hash is [0-9a-f]{64}; it must be [0-9a-f]{64}$/,
    );
    expect(fs.existsSync(snapshot(ONE))).toBe(false);
    expect(blobs().filter((name) => name.includes('.part'))).toEqual([]);
    expect(textsIn(await resolveModel(NAME))).toEqual(textsIn(model));
  });

  test('fails in one line if a server stays busy, and can be resumed', async () => {
    hub.fail('cdn', /safetensors/, { cutAt: 10_000 });
    for (let i = 0; i < 6; i++) hub.fail('cdn', /safetensors/, { status: 500 });
    const error = await failure(NAME);
    expect([error.code, error.message]).toEqual([
      'FAILED',
      expect.stringMatching(/^acme\/tiny-bert: .* responded with status 500$/),
    ]);
    expect(fs.existsSync(snapshot(ONE))).toBe(false);
    weightRequests();
    hub.fail('cdn', /safetensors/, { cutAt: 1_000 });
    expect(textsIn(await resolveModel(NAME))).toEqual(textsIn(model));
    expect(weightRequests()).toContain('GET bytes=10000-');
  });

  test('ends at once if it is cancelled, and can be resumed', async () => {
    hub.fail('cdn', /safetensors/, { stallAt: 20_000 });
    const controller = new AbortController();
    const onProgress = ({ done }: { done: number }) => done > 20_000 && controller.abort();
    expect((await failure(NAME, { signal: controller.signal, onProgress })).code).toBe('CANCELLED');
    weightRequests();
    expect(textsIn(await resolveModel(NAME))).toEqual(textsIn(model));
    expect(weightRequests()).toContain('GET bytes=20000-');
  });

  test('a part of another version is not resumed', async () => {
    hub.fail('cdn', /safetensors/, { stallAt: 20_000 });
    const controller = new AbortController();
    const onProgress = ({ done }: { done: number }) => done > 20_000 && controller.abort();
    await failure(NAME, { signal: controller.signal, onProgress });
    const other = Buffer.from(weights.map((byte) => byte ^ 1));
    hub.repositories[NAME].refs.main = TWO;
    hub.repositories[NAME].commits[TWO] = { ...filesOf(model), 'model.safetensors': other };
    weightRequests();
    expect(textsIn(await resolveModel(NAME))['model.safetensors']).toBe(other.toString('latin1'));
    expect(weightRequests().every((request) => !request.includes('bytes'))).toBe(true);
  });

  test('of shards fetches the index and the files in it', async () => {
    const { 'model.safetensors': whole, ...small } = filesOf(model);
    const shards = { 'model-1.safetensors': whole.subarray(0, 5_000), 'model-2.safetensors': whole.subarray(5_000) };
    const index = { weight_map: { a: 'model-1.safetensors', b: 'model-2.safetensors', c: 'model-1.safetensors' } };
    const files = { ...small, ...shards, 'model.safetensors.index.json': Buffer.from(JSON.stringify(index)) };
    hub.repositories['acme/tiny-bert'].commits[ONE] = { ...files, 'model-3.safetensors': whole };
    expect(textsIn(await resolveModel(NAME))).toEqual(textsOf(files));
    expect(await resolveModel(NAME, { offline: true })).toBe(snapshot(ONE));
    const away = JSON.stringify({ weight_map: { a: '../../../x.safetensors' } });
    hub.repositories[NAME].commits[TWO] = { ...files, 'model.safetensors.index.json': Buffer.from(away) };
    expect((await failure(NAME, { revision: TWO })).message).toContain('in "../../../x.safetensors"; it must be');
  });
});

describe('two processes at once', () => {
  const start = () => {
    const process_ = spawn(process.execPath, [child, NAME], { stdio: ['ignore', 'pipe', 'pipe'], env: process.env });
    let output = '';
    process_.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    process_.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
    const ended = new Promise<string>((done) => process_.once('close', () => done(output)));
    return { process: process_, ended };
  };

  test('both succeed, in the same folder', async () => {
    const both = [start(), start()];
    expect(await Promise.all(both.map(({ ended }) => ended))).toEqual([snapshot(ONE), snapshot(ONE)]);
    expect(textsIn(snapshot(ONE))).toEqual(textsIn(model));
    expect(blobs().filter((name) => name.includes('.part'))).toEqual([]);
    expect(fs.readdirSync(path.dirname(snapshot(ONE)))).toEqual([ONE]);
  });

  test('the next process resumes the part of a killed one, not that of a running one', async () => {
    hub.fail('cdn', /safetensors/, { stallAt: 30_000 });
    const first = start();
    const part = () => {
      const folder = path.dirname(path.dirname(snapshot(ONE)));
      const names = fs.existsSync(path.join(folder, 'blobs')) ? blobs().filter((name) => name.endsWith('.part')) : [];
      return names.find((name) => fs.statSync(path.join(folder, 'blobs', name)).size === 30_000);
    };
    while (part() === undefined && first.process.exitCode === null) await new Promise((wait) => setTimeout(wait, 20));
    weightRequests();
    expect(textsIn(await resolveModel(NAME))).toEqual(textsIn(model));
    expect(weightRequests().filter((request) => request.includes('bytes'))).toEqual([]);
    expect(part()).toBeDefined();
    first.process.kill('SIGKILL');
    await first.ended;
    fs.rmSync(snapshot(ONE), { recursive: true });
    for (const name of blobs()) if (name.length === 64) fs.rmSync(path.join(snapshot(ONE), '../../blobs', name));
    expect(textsIn(await resolveModel(NAME))).toEqual(textsIn(model));
    expect(weightRequests()).toContain('GET bytes=30000-');
  });
});

describe('a cached model', () => {
  test('a commit is never requested twice, a branch only for its current commit', async () => {
    await resolveModel(NAME);
    hub.takeSeen();
    expect(await resolveModel(NAME, { revision: ONE })).toBe(snapshot(ONE));
    expect(hub.takeSeen()).toEqual([]);
    expect(await resolveModel(NAME)).toBe(snapshot(ONE));
    expect(hub.takeSeen().map(({ url }) => url)).toEqual([`/api/models/${NAME}/revision/main`]);
  });

  test('a branch that moved is fetched, except unchanged blobs', async () => {
    await resolveModel(NAME);
    hub.repositories[NAME].refs.main = TWO;
    hub.repositories[NAME].commits[TWO] = { ...filesOf(model), 'vocab.txt': Buffer.from('new') };
    weightRequests();
    expect(await resolveModel(NAME)).toBe(snapshot(TWO));
    expect(weightRequests().filter((request) => request.startsWith('GET'))).toEqual([]);
    expect(await resolveModel(NAME, { offline: true })).toBe(snapshot(TWO));
    expect(await resolveModel(NAME, { offline: true, revision: ONE })).toBe(snapshot(ONE));
  });

  test('without a network the copy is used, with a note', async () => {
    await resolveModel(NAME);
    await hub.stop();
    const onNote = jest.fn();
    expect(await resolveModel(NAME, { onNote })).toBe(snapshot(ONE));
    expect(onNote.mock.calls).toEqual([[expect.stringMatching(/^acme\/tiny-bert: .*; using the cached copy$/)]]);
  });

  test('without a copy and a network the model is bad input, with the nearest name', async () => {
    await resolveModel(NAME);
    await hub.stop();
    const { code, message } = await failure('acme/tiny-bart');
    expect(code).toBe('INVALID_INPUT');
    expect(message).toMatch(
      /^acme\/tiny-bart: no such folder, not cached, and 127\.0\.0\.1:\d+ cannot be reached \(ECONNREFUSED\); did you mean "acme\/tiny-bert"\?$/,
    );
  });

  test.each([
    ['HF_HUB_CACHE', (cache: string) => cache],
    ['HF_HOME', (cache: string) => path.dirname(cache)],
    ['XDG_CACHE_HOME', (cache: string) => path.dirname(path.dirname(cache))],
  ])("Python's cache is read by %s, and nothing is requested or written offline", async (name, value) => {
    const cache = pythonCache(TWO);
    process.env.XDG_CACHE_HOME = path.join(root, 'elsewhere');
    process.env[name] = value(cache);
    expect(await resolveModel(NAME, { offline: true })).toBe(snapshot(TWO, cache));
    process.env.HF_HUB_OFFLINE = '1';
    const folder = await resolveModel(NAME);
    const checkpoint = await openCheckpoint(folder);
    checkpoint.close();
    expect(checkpoint.name).toBe(NAME);
    expect(hub.seen).toEqual([]);
    expect(fs.existsSync(modelCache())).toBe(false);
  });

  test("Python's copy of the current commit is used, unless a file or its blob is missing", async () => {
    const cache = pythonCache(ONE);
    expect(await resolveModel(NAME)).toBe(snapshot(ONE, cache));
    expect(hub.takeSeen()).toHaveLength(1);
    fs.rmSync(path.join(cache, 'models--acme--tiny-bert/blobs/of-model.safetensors'));
    expect((await failure(NAME, { offline: true })).message).toContain('nothing may be downloaded offline');
    expect(await resolveModel(NAME)).toBe(snapshot(ONE));
  });
});

describe('a cache of another user', () => {
  const asNobody = async (work: () => Promise<void>) => {
    process.seteuid!(65534);
    try {
      await work();
    } finally {
      process.seteuid!(0);
    }
  };
  // Only root can become another user.
  const asRoot = process.getuid!() === 0 ? test : test.skip;

  asRoot('is named with its owner and the variable, if it cannot be written or read', async () => {
    fs.chmodSync(root, 0o755);
    fs.mkdirSync(modelCache(), { recursive: true });
    await asNobody(async () => {
      const { message } = await failure(NAME);
      expect(message).toBe(
        `${NAME}: the cache ${modelCache()} cannot be written (EACCES, it belongs to root); set XDG_CACHE_HOME to a folder of your own`,
      );
      expect((await failure('all-MiniLM-L6-v2')).message).toContain('cannot be written (EACCES, it belongs to root)');
    });
    const python = path.join(root, 'huggingface/hub');
    fs.mkdirSync(python, { recursive: true });
    for (const folder of [modelCache(), python]) fs.chmodSync(folder, 0o700);
    await asNobody(async () => {
      const { message } = await failure(NAME, { offline: true });
      expect(message).toContain(`${modelCache()} (cannot be read: EACCES, it belongs to root; set XDG_CACHE_HOME`);
      expect(message).toContain(`${python} (cannot be read: EACCES, it belongs to root; set HF_HOME`);
      const written = await failure(NAME);
      expect(written.message).toContain(`the cache ${modelCache()} cannot be written (EACCES, it belongs to root)`);
    });
  });
});

describe('the token', () => {
  beforeEach(() => {
    hub.repositories[NAME].access = { token: 'hf_secret', refusal: 'GatedRepo' };
  });

  test.each([
    ['HF_TOKEN', () => 'hf_secret'],
    ['HF_TOKEN_PATH', () => 'token'],
    ['HF_HOME', () => ''],
  ])('from %s is sent only to the Hub', async (name, value) => {
    const file = path.join(root, 'token');
    if (name !== 'HF_TOKEN') fs.writeFileSync(file, 'hf_secret\n');
    process.env[name] = name === 'HF_TOKEN' ? value() : path.join(root, value());
    await resolveModel(NAME);
    const seen = hub.takeSeen();
    expect(new Set(seen.filter(({ host }) => host === 'hub').map(({ authorization }) => authorization))).toEqual(
      new Set(['Bearer hf_secret']),
    );
    expect(seen.filter(({ host }) => host === 'cdn').map(({ authorization }) => authorization)).toEqual([
      undefined,
      undefined,
    ]);
  });

  test('is requested if it is missing, and never printed', async () => {
    const without = await failure(NAME);
    expect([without.code, without.message]).toEqual([
      'INVALID_INPUT',
      `acme/tiny-bert: access is restricted; request it at ${hub.endpoint}/acme/tiny-bert, then set HF_TOKEN to your token`,
    ]);
    process.env.HF_TOKEN = 'hf_other';
    const wrong = await failure(NAME);
    expect(wrong.message).toContain('use the token of a user who has access');
    expect(wrong.message + String(wrong.stack)).not.toContain('hf_other');
  });
});

test.each([
  ['acme/tiny-bort', {}, /^acme\/tiny-bort: no such model at 127.*HF_TOKEN; did you mean "acme\/tiny-bert"\?$/],
  ['acme/tiny-bert', { revision: 'v9' }, /has no such revision "v9"/],
  ['acme/tiny-bert', { revision: '../main' }, /--revision is "\.\.\/main"; it must be/],
  ['acme/binary', {}, /has no model\.safetensors or pytorch_model\.bin at "main"; hifi does not read tf_model\.h5/],
  ['acme/tiny-bert/deep', {}, /neither a folder nor a model's name \(owner\/name\)/],
  ['acme/..', {}, /neither a folder nor/],
  ['all-MiniLM-L6-v2', { revision: 'v1' }, /has one version only/],
  [model, { revision: 'v1' }, /is a folder; a revision \(v1\)/],
])('%s %j is refused', async (name, options, message) => {
  await resolveModel(NAME);
  hub.repositories['acme/binary'] = {
    refs: { main: ONE },
    commits: { [ONE]: { 'config.json': Buffer.from('{}'), 'tf_model.h5': Buffer.from('x') } },
  };
  const error = await failure(name, options);
  expect(error.code).toBe('INVALID_INPUT');
  expect(error.message).toMatch(message);
});

test.each(['one-head-bert', 'sharded-bert'] as const)("a repository with only PyTorch's files: %s", async (name) => {
  const folder = torchModel(name, path.join(root, name));
  hub.repositories['acme/old'] = { refs: { main: ONE }, commits: { [ONE]: filesOf(folder) } };
  const resolved = await resolveModel('acme/old');
  expect(textsIn(resolved)).toEqual(textsIn(folder));
  hub.takeSeen();
  expect(await resolveModel('acme/old', { offline: true })).toBe(resolved);
  const checkpoint = await openCheckpoint(resolved);
  expect(checkpoint.has('embeddings.word_embeddings.weight')).toBe(true);
  checkpoint.close();
});

test('an old name without owner, and a pull request', async () => {
  hub.repositories['tiny-bert-uncased'] = { refs: { 'refs/pr/1': ONE }, commits: hub.repositories[NAME].commits };
  const folder = await resolveModel('tiny-bert-uncased', { revision: 'refs/pr/1' });
  expect(folder).toBe(path.join(modelCache(), 'models--tiny-bert-uncased/snapshots', ONE));
  expect(await resolveModel('tiny-bert-uncased', { revision: 'refs/pr/1', offline: true })).toBe(folder);
});

test('the command: --model owner/name, then --offline with another revision', async () => {
  const out = path.join(root, 'out');
  const words = ['analyze', '--model', NAME, '--data', path.join(fixtures, 'tiny-data/train.tsv')];
  const flags = ['--text-columns', 'sentence', '--samples', '4', '--out', out];
  const { status, stderr } = await startHifi([...words, ...flags], () => {});
  expect([status, stderr]).toEqual([0, expect.stringContaining(`model ${snapshot(ONE)}`)]);
  expect(JSON.parse(fs.readFileSync(path.join(out, 'heads.json'), 'utf8')).model.name).toBe(NAME);
  const refused = await startHifi([...words, ...flags, '--overwrite', '--offline', '--revision', 'v2'], () => {});
  expect(refused.status).toBe(2);
  expect(refused.stderr).toMatch(/^hifi: acme\/tiny-bert at "v2": neither in .* offline.*\n$/);
});
