import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import fc from 'fast-check';
import type { GivenRows } from '../../../data/given-rows';
import { readDataset } from '../../../data/read';
import type { HifiError } from '../../../foundation/errors';
import { sha256OfFile } from '../../../foundation/hash';
import { FolderArtifacts } from '../../../infra/artifacts/folder-store';
import { Inputs } from '../../../infra/artifacts/inputs';

const signal = new AbortController().signal;
const errorOf = (work: Promise<unknown>): Promise<HifiError> =>
  work.then(
    () => {
      throw new Error('no error');
    },
    (error) => error,
  );

describe('inputs', () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-inputs-'));
  const at = (...parts: string[]) => path.join(folder, ...parts);
  let inputs: Inputs;
  let store: FolderArtifacts;

  beforeAll(() => {
    for (const each of ['root/models/tiny', 'root/deep', 'root-beside', 'outside/model']) {
      fs.mkdirSync(at(each), { recursive: true });
    }
    const files = ['root/rows.tsv', 'root/deep/rows.csv', 'root/notes.txt', 'root-beside/rows.tsv', 'outside/rows.tsv'];
    for (const file of files) fs.writeFileSync(at(file), 'text\tlabel\na\t1\n');
    fs.writeFileSync(at('root/models/tiny/config.json'), '{}');
    fs.symlinkSync(at('outside/rows.tsv'), at('root/leak.tsv'));
    fs.symlinkSync(at('outside'), at('root/way-out'));
    fs.symlinkSync(at('root/rows.tsv'), at('root/deep/again.tsv'));
    fs.mkdirSync(at('root/models/leaky'));
    fs.symlinkSync(at('outside/rows.tsv'), at('root/models/leaky/model.safetensors'));
    fs.writeFileSync(at('root/dev_matched.tsv'), '');
    fs.symlinkSync(at('outside/rows.tsv'), at('root/dev_mismatched.tsv'));
    store = new FolderArtifacts(at('store'));
    inputs = new Inputs({ store, dataRoots: [at('root')], scratch: at('scratch') });
  });
  afterAll(() => fs.rmSync(folder, { recursive: true }));

  const need = { field: 'train', labels: true };
  const rowsOf = (source: GivenRows['source'], more: Partial<GivenRows> = {}, needs = need) =>
    inputs.rows({ source, ...more }, needs, signal);
  const columns = { textColumns: ['text'], labelColumn: 'label' };
  const atPath = (written: string, more: Partial<GivenRows> = columns) => rowsOf({ kind: 'path', path: written }, more);

  it.each([
    ['rows.tsv', 'root/rows.tsv'],
    ['./deep/../rows.tsv', 'root/rows.tsv'],
    ['deep/again.tsv', 'root/rows.tsv'],
    [path.join(folder, 'root/deep/rows.csv'), 'root/deep/rows.csv'],
  ])('finds %s in a data root', async (written, file) => {
    const { what } = await atPath(written);
    expect(what).toEqual({ path: written, file: fs.realpathSync(at(file)), ...columns });
  });

  it.each([
    ['/etc/passwd', '/etc/passwd'],
    ['/etc/no-such-file', '/etc/no-such-file'],
    ['../outside/rows.tsv', '../outside/rows.tsv'],
    ['a sibling whose name begins alike', '../root-beside/rows.tsv'],
    ['an absolute path up', path.join(folder, 'root/../outside/rows.tsv')],
    ['a link out', 'leak.tsv'],
    ['a file through a linked folder', 'way-out/rows.tsv'],
    ['what is not there through a linked folder', 'way-out/no-such-file.tsv'],
    ['a null byte', 'rows.tsv\0.txt'],
    ['a home', '~/rows.tsv'],
  ])('refuses %s without revealing what exists there', async (_, written) => {
    const error = await errorOf(atPath(written));
    const found = JSON.stringify(written);
    const wanted = written.startsWith('~')
      ? `train.path is ${found}; it must be a file below one of the service's data roots: there is no such file`
      : `train.path is ${found}; it must be a file below one of the service's data roots`;
    expect({ code: error.code, field: error.field, message: error.message }).toEqual({
      code: 'INVALID_INPUT',
      field: 'train.path',
      message: wanted,
    });
  });

  it('finds a folder of files of one format, unless a link in it leads out', async () => {
    fs.mkdirSync(at('root/shards'));
    for (const name of ['1.csv', '0.csv']) fs.writeFileSync(at('root/shards', name), `text;label\n${name};1\n`);
    const { what } = await atPath('shards', { ...columns, delimiter: ';' });
    expect(what).toEqual({ path: 'shards', file: fs.realpathSync(at('root/shards')), ...columns, delimiter: ';' });
    const { texts, parts } = await readDataset(what, 'labels');
    expect({ texts, parts }).toEqual({
      texts: ['0.csv', '1.csv'],
      // Messages use the client's own name of the file.
      parts: [
        { path: 'shards/0.csv', from: 0 },
        { path: 'shards/1.csv', from: 1 },
      ],
    });
    fs.symlinkSync(at('outside/rows.tsv'), at('root/shards/2.csv'));
    const error = await errorOf(atPath('shards'));
    expect([error.field, error.message]).toEqual([
      'train.path',
      'train.path is "shards"; it must be a folder whose links do not lead out of the data roots',
    ]);
  });

  it('looks into the folders that links in a folder lead to', async () => {
    for (const name of ['plain', 'leaking']) fs.mkdirSync(at('root/linked', name), { recursive: true });
    fs.mkdirSync(at('root/models/linked'));
    fs.writeFileSync(at('root/models/linked/config.json'), '{}');
    fs.symlinkSync(at('root/models/linked'), at('root/linked/plain/circle'));
    fs.symlinkSync(at('root/linked/plain'), at('root/models/linked/onnx'));
    const model = () => inputs.model('models/linked', { signal });
    expect(await model()).toBe(fs.realpathSync(at('root/models/linked')));
    fs.symlinkSync(at('outside/rows.tsv'), at('root/linked/plain/model.onnx'));
    expect((await errorOf(model())).message).toContain('a link in it leads out');
  });

  it('refuses a delimiter with a format that has none', async () => {
    fs.writeFileSync(at('root/rows.jsonl'), '{"text":"a","label":"1"}\n');
    const error = await errorOf(atPath('rows.jsonl', { ...columns, delimiter: ';' }));
    expect([error.field, error.message]).toEqual([
      'train.delimiter',
      'train.delimiter is ";"; it must be left out: train.path is jsonl',
    ]);
  });

  it.each([
    ['rwos.tsv', 'did you mean "rows.tsv"?'],
    ['deep', 'deep/rows.csv is csv, deep/again.tsv is tsv; files that are read together must have one format'],
  ])('names the fault of %s', async (written, text) => {
    const error = await errorOf(atPath(written));
    expect([error.field, error.message]).toEqual(['train.path', expect.stringContaining(text)]);
  });

  it('refuses a second file of MNLI that leads out', async () => {
    const error = await errorOf(atPath('dev_matched.tsv', { task: 'mnli' }));
    expect(error.message).toContain('a link that leads out of the data roots');
  });

  it.each<[string, string, Partial<GivenRows>, string, string]>([
    ['no columns', 'rows.tsv', {}, 'train.text_columns', 'is empty'],
    ['no label column', 'rows.tsv', { textColumns: ['text'] }, 'train.label_column', 'labels are needed here'],
    ['labels of a plain text', 'notes.txt', {}, 'train.path', 'a plain text, which has no labels'],
    ['an unknown extension', 'models/tiny/config.json', columns, 'train.path', 'it must be a name that ends in .tsv'],
  ])('refuses %s', async (_, written, more, field, text) => {
    const error = await errorOf(atPath(written, more));
    expect([error.field, error.message]).toEqual([field, expect.stringContaining(text)]);
  });

  it('uses the columns of a known task if none are named', async () => {
    const { what } = await rowsOf({ kind: 'path', path: 'rows.tsv' }, {}, { ...need, task: 'sst2' } as typeof need);
    expect(what).toEqual({ path: 'rows.tsv', file: fs.realpathSync(at('root/rows.tsv')), task: 'sst2' });
  });

  it('needs no columns for CoNLL, which names its own', async () => {
    fs.writeFileSync(at('root/rows.conll'), 'Oslo\tB-LOC\n');
    const { what } = await atPath('rows.conll', { problem: 'tokens' });
    expect(what).toEqual({ path: 'rows.conll', file: fs.realpathSync(at('root/rows.conll')), problem: 'tokens' });
    expect((await readDataset(what, 'labels')).labels).toEqual([['B-LOC']]);
  });

  it('reads artifacts under their own name', async () => {
    const { sha256 } = await store.addText('text,label\na,1\n');
    const { what, release } = await rowsOf({ kind: 'artifact', sha256, name: 'rows.csv' }, columns);
    expect(what).toEqual({ path: 'rows.csv', file: what.file, ...columns });
    expect(fs.readFileSync(what.file as string)).toEqual(fs.readFileSync(await store.path(sha256)));
    // The call's link lasts as long as the call, whatever happens to the stored file.
    await store.remove(sha256);
    expect((await readDataset(what, 'labels')).labels).toEqual(['1']);
    await release();
    expect(fs.existsSync(what.file as string)).toBe(false);
    await store.addText('text,label\na,1\n');
    for (const name of ['../rows.csv', '/rows.csv', 'a\\b.csv', 'a\0.csv']) {
      const error = await errorOf(rowsOf({ kind: 'artifact', sha256, name }, columns));
      expect([error.field, error.code]).toEqual(
        name.includes('/') || name.includes('\\') || name.includes('\0') ? ['train.name', 'INVALID_INPUT'] : [],
      );
    }
    const unknown = await errorOf(rowsOf({ kind: 'artifact', sha256: 'ab'.repeat(32), name: 'a.csv' }, columns));
    expect(unknown.code).toBe('NOT_FOUND');
    const noHash = await errorOf(rowsOf({ kind: 'artifact', sha256: '../../rows', name: 'a.csv' }, columns));
    expect([noHash.code, noHash.field]).toEqual(['INVALID_INPUT', 'train.artifact']);
  });

  it("opens no file of this machine by an artifact's name", async () => {
    const { sha256 } = await store.addText('text,label\na,1\n');
    const named = async (name: string) => (await errorOf(rowsOf({ kind: 'artifact', sha256, name }, columns))).message;
    for (const name of [at('outside'), at('outside/model'), at('no-such-folder')]) {
      expect(await named(name)).toBe(
        `train.name is ${JSON.stringify(name.slice(0, 80))}; it must be a file's name, without folders`,
      );
    }
    // A folder in the working directory.
    expect(await named('node_modules')).toMatch(/^train\.name is "node_modules"; it must be a name that ends in \.tsv/);
  });

  it('downloads missing artifacts', async () => {
    const fetched: string[] = [];
    const other = new FolderArtifacts(at('other-store'));
    const fetching = new Inputs({
      store: other,
      dataRoots: [],
      scratch: at('scratch'),
      fetch: async (sha256) => {
        fetched.push(sha256);
        await other.add(await store.path(sha256));
      },
    });
    const { sha256 } = await store.addText('{}');
    for (let i = 0; i < 2; i++) {
      const { what, release } = await fetching.delta({ info: sha256, tensors: sha256 }, signal);
      expect(fs.readdirSync(what).sort()).toEqual(['delta.json', 'delta.safetensors']);
      expect(path.basename(what)).toBe('delta');
      await release();
      expect(fs.existsSync(what)).toBe(false);
    }
    expect(fetched).toEqual([sha256]);
  });

  it('preserves inline rows with any content, and gives equal bytes for equal rows', async () => {
    const text = fc.string({ unit: 'grapheme', minLength: 1 }).filter((value) => value.trim() !== '');
    const rows = fc.array(fc.record({ text, second: text, label: fc.stringMatching(/^[a-z0-9]{1,4}$/) }), {
      minLength: 1,
      maxLength: 20,
    });
    await fc.assert(
      fc.asyncProperty(rows, fc.constantFrom(undefined, 'mrpc' as const), async (drawn, task) => {
        const source = {
          kind: 'inline' as const,
          texts: drawn.map((row) => row.text),
          secondTexts: drawn.map((row) => row.second),
          labels: drawn.map((row) => row.label),
        };
        const opened = [await rowsOf(source, { task }), await rowsOf(source, { task })];
        const dataset = await readDataset(opened[0].what, 'labels');
        expect([dataset.texts, dataset.seconds]).toEqual([source.texts, source.secondTexts]);
        if (task === undefined) expect(dataset.labels).toEqual(source.labels);
        const [first, second] = await Promise.all(opened.map(({ what }) => sha256OfFile(what.file!)));
        expect(second).toBe(first);
        for (const each of opened) await each.release();
      }),
      { numRuns: 50 },
    );
    expect(fs.readdirSync(at('scratch'))).toEqual([]);
  });

  it.each([
    ['none for a task of pairs', { task: 'mrpc' as const }, undefined, 'has pairs, so there must be 1'],
    ['some for a task of single texts', { task: 'sst2' as const }, ['b'], 'so there must be none'],
  ])('refuses second texts: %s', async (_, more, secondTexts, text) => {
    const error = await errorOf(rowsOf({ kind: 'inline', texts: ['a'], labels: ['1'], secondTexts }, more));
    expect([error.field, error.message]).toEqual(['train.inline.second_texts', expect.stringContaining(text)]);
  });

  it('finds models below a root by path, and nowhere else', async () => {
    const settings = { signal };
    const tiny = fs.realpathSync(at('root/models/tiny'));
    expect(await inputs.model('models/tiny', settings)).toBe(tiny);
    expect(await inputs.model(at('root/models/tiny'), settings)).toBe(tiny);
    for (const name of [
      '/etc',
      '../outside/model',
      '~',
      './way-out/model',
      './leak.tsv',
      'rows.tsv',
      'models/leaky',
      '',
    ]) {
      const error = await errorOf(inputs.model(name, settings));
      expect([name, error.code, error.field]).toEqual([name, 'INVALID_INPUT', 'model']);
      expect(error.message).toContain("a folder below one of the service's data roots");
    }
  });

  it('removes scratch files that are older than a day, and no others', () => {
    fs.mkdirSync(at('scratch-2/old'), { recursive: true });
    fs.mkdirSync(at('scratch-2/new'));
    const before = Date.now() / 1000 - 25 * 3600;
    fs.utimesSync(at('scratch-2/old'), before, before);
    new Inputs({ store, dataRoots: [], scratch: at('scratch-2') });
    expect(fs.readdirSync(at('scratch-2'))).toEqual(['new']);
  });

  it('refuses a data root that is no folder', () => {
    expect(() => new Inputs({ store, dataRoots: [at('nowhere')], scratch: at('scratch') })).toThrow('no such folder');
  });
});
