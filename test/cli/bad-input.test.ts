import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { SafetensorsFile, writeSafetensors } from '../../model/safetensors';
import { startHifi } from './spawn';

/*
 * Tests bad input with the command itself: exit code 2, one line on stderr with the name, the value
 * and what would be right, and no files left.
 */
const fixtures = path.join(__dirname, '../fixtures');
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-bad-'));
const hifi = path.join(__dirname, '../../cli/hifi.ts');
afterAll(() => fs.rmSync(scratch, { recursive: true }));

const model = path.join(fixtures, 'tiny-bert');
const train = path.join(fixtures, 'tiny-data/train.tsv');
const columns = ['--text-columns', 'sentence', '--label-column', 'label'];
let files = 0;

/** Runs the command, which must fail with exit code 2 and one line. */
function refused(...words: string[]): string {
  const out = path.join(scratch, `out-${files++}`);
  const { status, stdout, stderr } = spawnSync(process.execPath, [hifi, ...words, '--out', out], { encoding: 'utf8' });
  expect({ status, stdout, stderr }).toMatchObject({ status: 2, stdout: '' });
  const errors = stderr.split('\n').filter((line) => line.startsWith('hifi: '));
  expect(errors).toHaveLength(1);
  expect(stderr.trimEnd().split('\n').at(-1)).toBe(errors[0]);
  expect(errors[0].length).toBeLessThan(400);
  expect(fs.existsSync(out)).toBe(false);
  return errors[0];
}

function file(name: string, content: string | Uint8Array): string {
  const at = path.join(scratch, `${files++}-${name}`);
  fs.writeFileSync(at, content);
  return at;
}

/** Copies the model folder and damages the copy. */
function spoiled(spoil: (folder: string) => void): string {
  const folder = path.join(scratch, `model-${files++}`);
  fs.cpSync(model, folder, { recursive: true });
  spoil(folder);
  return folder;
}

const withConfig = (changes: object) =>
  spoiled((folder) => {
    const at = path.join(folder, 'config.json');
    fs.writeFileSync(at, JSON.stringify({ ...JSON.parse(fs.readFileSync(at, 'utf8')), ...changes }));
  });

/** Builds model.safetensors with another header; its length field is correct or as given. */
const withHeader = (
  change: (header: Record<string, { dtype: string; data_offsets: number[] }>) => void,
  length?: bigint,
) =>
  spoiled((folder) => {
    const at = path.join(folder, 'model.safetensors');
    const bytes = fs.readFileSync(at);
    const size = Number(bytes.readBigUInt64LE(0));
    const header = JSON.parse(bytes.subarray(8, 8 + size).toString());
    change(header);
    const text = Buffer.from(JSON.stringify(header));
    const prefix = Buffer.alloc(8);
    prefix.writeBigUInt64LE(length ?? BigInt(text.length));
    fs.writeFileSync(at, Buffer.concat([prefix, text, bytes.subarray(8 + size)]));
  });

const NAME = 'bert.encoder.layer.0.attention.self.query.weight';
const run = (...words: string[]) => refused('run', ...words);
const rows = (content: string | Uint8Array, name = 'rows.tsv') => file(name, content);

describe('rows', () => {
  const withRows = (content: string | Uint8Array, name?: string) =>
    run('--model', model, '--train', rows(content, name), ...columns);
  const good = 'one fine day\tyes\nanother day\tno\n'.repeat(20);

  it('missing', () =>
    expect(run('--model', model, '--train', '/nowhere/rows.tsv', ...columns)).toMatch(/\/nowhere\/rows\.tsv/));
  it('empty', () => expect(withRows('')).toMatch(/rows\.tsv.*empty/));
  it('wrong column', () => {
    const line = run('--model', model, '--train', train, '--text-columns', 'sentense', '--label-column', 'label');
    expect(line).toMatch(/no column "sentense".*sentence/);
  });
  it('not UTF-8', () => {
    const bytes = Buffer.concat([Buffer.from('sentence\tlabel\nfine\tyes\n'), Buffer.from([0xff, 0xfe, 9, 0x61, 10])]);
    expect(withRows(bytes)).toMatch(/UTF-8/);
  });
  it('a missing field', () =>
    expect(withRows(`sentence\tlabel\n${good}only a sentence\n`)).toMatch(/row 40 .*"label"/));
  it('one class only', () => expect(withRows('sentence\tlabel\na\tyes\nb\tyes\n')).toMatch(/"yes".*two classes/));
  it('a label that only dev has', () => {
    const dev = rows('sentence\tlabel\na\tmaybe\n', 'dev.tsv');
    const line = run('--model', model, '--train', train, '--dev', dev, ...columns);
    expect(line).toMatch(/row 0 has the label "maybe".*"0", "1"/);
  });
});

describe('weights', () => {
  const withModel = (folder: string) => run('--model', folder, '--train', train, ...columns);

  it('truncated', () => {
    const folder = spoiled((at) => fs.truncateSync(path.join(at, 'model.safetensors'), 100_000));
    expect(withModel(folder)).toMatch(
      /model\.safetensors: .*data_offsets .* bytes of data that the file has \(is it truncated\?\)$/,
    );
  });
  it('offsets past the end', () => {
    const folder = withHeader((header) => (header[NAME].data_offsets[1] += 1e9));
    expect(withModel(folder)).toMatch(
      /model\.safetensors: .*query\.weight": data_offsets is .* must be within the \d+ bytes of data that the file has/,
    );
  });
  it('overlap', () => {
    const folder = withHeader((header) => {
      // The tensor after it: one before it would leave a hole.
      header[NAME.replace('query', 'value')].data_offsets = header[NAME].data_offsets;
    });
    expect(withModel(folder)).toMatch(
      /model\.safetensors: .*"[^"]*(query|value)\.weight" begins at \d+, before .* they overlap$/,
    );
  });
  it('an unknown type', () => {
    const folder = withHeader((header) => (header[NAME].dtype = 'F31'));
    expect(withModel(folder)).toMatch(/F31/);
  });
  it('a header of 10 GB', () =>
    expect(withModel(withHeader(() => {}, 10_000_000_000n))).toMatch(/10,?000,?000,?000|10 GB/));
  it('not a number', () => {
    const folder = spoiled((at) => {
      const source = SafetensorsFile.open(path.join(at, 'model.safetensors'));
      const tensors = [...source.tensors].map(([name, { dtype, shape }]) => {
        const bytes = Buffer.from(source.bytes(name));
        if (name === NAME) bytes.writeFloatLE(Number.NaN, 4 * 7);
        return { name, dtype, shape, bytes: () => bytes };
      });
      writeSafetensors(path.join(at, 'model.safetensors'), tensors);
      source.close();
    });
    expect(withModel(folder)).toMatch(/query\.weight.*NaN/);
  });
  it('a config of other sizes', () =>
    expect(withModel(withConfig({ intermediate_size: 71 }))).toMatch(/70.*71|71.*70/));
  it('a config of more layers', () => expect(withModel(withConfig({ num_hidden_layers: 3 }))).toMatch(/layer\.2/));
  it('an architecture that is not supported', () => {
    const line = withModel(withConfig({ model_type: 'gpt2', architectures: ['GPT2Model'] }));
    expect(line).toMatch(/gpt2.*bert/);
  });
  it('a corrupt tokenizer.json', () => {
    const folder = spoiled((at) => fs.truncateSync(path.join(at, 'tokenizer.json'), 500));
    expect(withModel(folder)).toMatch(/tokenizer\.json/);
  });
  it('a model that does not exist', () => {
    expect(withModel('./no-such-model')).toMatch(/no-such-model/);
    expect(withModel('all-MiniLM-L6')).toMatch(/all-MiniLM-L6-v2/);
  });
});

describe('flags', () => {
  const good = ['--model', model, '--train', train, ...columns];
  it('k above the heads', () => expect(run(...good, '--k', '6')).toMatch(/6.*5/));
  it.each(['0', '1.5', '-0.1', 'x'])('ξ = %s', (xi) =>
    expect(run(...good, '--xi', xi)).toMatch(/xi.*\(0, 1\]|xi.*0.*1/),
  );
  it('an unknown flag', () => expect(run(...good, '--epoch', '3')).toMatch(/--epoch.*--epochs/));
});

describe('another base', () => {
  const other = path.join(fixtures, 'one-head-bert');
  const out = path.join(scratch, 'trained');
  const delta = path.join(out, 'delta');

  it('of a mask', () => {
    const mask = {
      schemaVersion: 1,
      model: { name: 'other', sha256: 'ab'.repeat(32) },
      strategy: 'hifi',
      k: 1,
      tune: 'qkv',
      heads: [{ layer: 0, head: 0, score: 1 }],
      trainableParameters: 1,
      totalParameters: 10,
      share: 0.1,
    };
    const at = file('mask.json', JSON.stringify(mask));
    expect(refused('train', '--model', model, '--train', train, '--mask', at, ...columns)).toMatch(/abab.*other/);
  });

  it('of a delta', () => {
    const words = ['run', '--model', other, '--train', train, ...columns, '--k', '1', '--epochs', '1', '--out', out];
    const { status, stderr } = spawnSync(process.execPath, [hifi, ...words], { encoding: 'utf8' });
    expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' });
    expect(refused('export', '--model', model, '--delta', delta, '--format', 'checkpoint')).toMatch(/one-head-bert/);
    expect(refused('predict', '--model', model, '--delta', delta, '--data', train, ...columns)).toMatch(
      /one-head-bert/,
    );
    for (const format of ['peft', 'onnx']) {
      expect(refused('export', '--model', model, '--delta', delta, '--format', format)).toMatch(/one-head-bert/);
      expect(refused('export', '--model', other, '--delta', delta, '--format', format, '--dtype', 'base')).toMatch(
        /--dtype needs --format checkpoint/,
      );
    }
    const typed = ['--model', other, '--delta', delta, '--onnx-dtype', 'q8,fp16'];
    expect(refused('export', ...typed, '--format', 'peft')).toMatch(/--onnx-dtype q8,fp16 needs --format onnx/);
    expect(refused('run', '--model', other, '--train', train, ...columns, '--onnx-dtype', 'q8')).toMatch(
      /--onnx-dtype q8 needs --export onnx/,
    );
  });

  it.each(['pytorch_model.bin', 'pytorch_model-2.bin'])(
    'whose %s calls os.system: no command runs it or writes anything',
    async (name) => {
      const folder = spoiled((at) => {
        fs.rmSync(path.join(at, 'model.safetensors'));
        fs.copyFileSync(path.join(fixtures, 'torch-files/system.bin'), path.join(at, name));
        if (name === 'pytorch_model.bin') return;
        fs.copyFileSync(path.join(fixtures, 'torch-files/zip.bin'), path.join(at, 'pytorch_model-1.bin'));
        const index = { weight_map: { weight: 'pytorch_model-1.bin', other: name } };
        fs.writeFileSync(path.join(at, 'pytorch_model.bin.index.json'), JSON.stringify(index));
      });
      const before = fs.readdirSync(folder);
      const results = path.join(scratch, `results-${files++}`);
      fs.mkdirSync(results);
      const to = () => ['--out', path.join(results, `${files++}`)];
      const mask = path.join(out, 'mask.json');
      const some = [['evaluate', '--data', train, ...columns]];
      const all = [
        ['run', '--train', train, ...columns, ...to()],
        ['analyze', '--data', train, ...columns, ...to()],
        ['score', '--train', train, ...columns, '--strategy', 'gradient', ...to()],
        ['train', '--train', train, ...columns, '--mask', mask, ...to()],
        ['predict', '--data', train, ...columns, '--delta', delta, ...to()],
        ['compare', '--train', train, '--test', train, ...columns, '--strategies', 'hifi', ...to()],
        ['export', '--delta', delta, '--format', 'checkpoint', ...to()],
      ];
      const words = name === 'pytorch_model.bin' ? [...some, ...all] : some;
      await Promise.all(
        words.map(async ([command, ...rest]) => {
          const ended = await startHifi([command, '--model', folder, ...rest], () => {});
          const last = ended.stderr.trimEnd().split('\n').at(-1);
          expect([command, ended.status, last]).toEqual([
            command,
            2,
            expect.stringMatching(new RegExp(`^hifi: .*/${name}: its pickle names posix\\.system; `)),
          ]);
        }),
      );
      expect(fs.existsSync('/tmp/hifi-was-run')).toBe(false);
      expect(fs.readdirSync(results)).toEqual([]);
      expect(fs.readdirSync(folder)).toEqual(before);
    },
  );
});
