import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { HifiError } from '../../foundation/errors';
import { type TensorSource, writeSafetensors } from '../../model/safetensors';
import { Weights } from '../../model/weights';
import { FIXTURES, torchModel } from '../support/deltas';

const INDEX = 'model.safetensors.index.json';
const [FIRST, SECOND] = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'];
const root = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-weights-'));
afterAll(() => fs.rmSync(root, { recursive: true }));

const tensor = (name: string, ...values: number[]): TensorSource => ({
  name,
  dtype: 'F32',
  shape: [values.length],
  bytes: () => new Uint8Array(Float32Array.from(values).buffer),
});

/** Creates a folder of two files, the second named first in the index. */
function sharded(weightMap: unknown = { b: SECOND, a: FIRST, c: SECOND }): string {
  const folder = fs.mkdtempSync(path.join(root, 'model-'));
  writeSafetensors(path.join(folder, FIRST), [tensor('a', 1, 2)]);
  writeSafetensors(path.join(folder, SECOND), [tensor('b', 3), tensor('c', 4, 5)]);
  fs.writeFileSync(path.join(folder, INDEX), JSON.stringify({ metadata: {}, weight_map: weightMap }));
  return folder;
}

function refusal(folder: string): string {
  try {
    Weights.open(folder).close();
  } catch (error) {
    expect(error).toBeInstanceOf(HifiError);
    expect((error as HifiError).code).toBe('INVALID_INPUT');
    expect((error as HifiError).message).not.toContain('\n');
    return (error as HifiError).message;
  }
  throw new Error('was not refused');
}

const sha256 = (bytes: string | Buffer) => createHash('sha256').update(bytes).digest('hex');

describe('sharded weights', () => {
  test('are read together, each tensor from its file', () => {
    const folder = sharded();
    const weights = Weights.open(folder);
    expect(weights.files.map((file) => path.basename(file.path))).toEqual([SECOND, FIRST]);
    expect([...weights.tensors.keys()].sort()).toEqual(['a', 'b', 'c']);
    expect(weights.float32('a')).toEqual(Float32Array.of(1, 2));
    expect(weights.float32('c')).toEqual(Float32Array.of(4, 5));
    expect(weights.entry('b')).toMatchObject({ dtype: 'F32', shape: [1] });
    expect(path.basename(weights.fileOf('a').path)).toBe(FIRST);
    expect(() => weights.bytes('d')).toThrow(`${path.join(folder, INDEX)}: has no tensor "d"`);
    weights.close();
  });

  test("have the hash of their files' hashes in the index's order", async () => {
    const folder = sharded();
    const hashes = [SECOND, FIRST].map((name) => sha256(fs.readFileSync(path.join(folder, name))));
    const weights = Weights.open(folder);
    expect(await weights.sha256()).toBe(sha256(hashes.join('\n')));
    weights.close();
  });

  test('of one file are still sharded, because there is an index', async () => {
    const folder = sharded({ a: FIRST });
    const weights = Weights.open(folder);
    expect(await weights.sha256()).toBe(sha256(sha256(fs.readFileSync(path.join(folder, FIRST)))));
    weights.close();
  });

  test('are not read if there is a model.safetensors', async () => {
    const folder = sharded();
    const single = path.join(folder, 'model.safetensors');
    writeSafetensors(single, [tensor('z', 9)]);
    const weights = Weights.open(folder);
    expect([...weights.tensors.keys()]).toEqual(['z']);
    expect(await weights.sha256()).toBe(sha256(fs.readFileSync(single)));
    weights.close();
  });

  test.each<[string, unknown, string]>([
    ['no map', null, 'weight_map is null; it must map tensors to files'],
    ['an empty map', {}, 'weight_map is {}; it must map tensors to files'],
    ['a list', ['a'], 'weight_map is ["a"]; it must map tensors to files'],
    ['a number for a file', { a: 1 }, 'weight_map has tensor "a" in 1; it must be the name of a .safetensors file'],
    ['a path upwards', { a: '../x.safetensors' }, 'weight_map has tensor "a" in "../x.safetensors"; it must be'],
    ['an absolute path', { a: '/x.safetensors' }, 'weight_map has tensor "a" in "/x.safetensors"; it must be'],
    ['a path of Windows', { a: '..\\x.safetensors' }, 'weight_map has tensor "a" in'],
    ['another kind of file', { a: 'config.json' }, 'weight_map has tensor "a" in "config.json"; it must be'],
    [
      'a tensor that no file has',
      { a: FIRST, b: SECOND, c: SECOND, d: FIRST },
      `tensor "d" is not in ${FIRST}, nor in any of the files`,
    ],
    ['a tensor of another file', { a: FIRST, b: FIRST, c: SECOND }, `tensor "b" is not in ${FIRST} but in ${SECOND}`],
    ['a missing tensor', { a: FIRST, b: SECOND }, `tensor "c" of ${SECOND} is not in weight_map`],
  ])('are refused with %s in the index', (_, weightMap, message) => {
    const folder = sharded(weightMap);
    expect(refusal(folder)).toContain(`${path.join(folder, INDEX)}: ${message}`);
  });

  test('are refused without one of their files', () => {
    const folder = sharded();
    fs.rmSync(path.join(folder, FIRST));
    expect(refusal(folder)).toBe(`${path.join(folder, FIRST)}: no such file; ${INDEX} names it`);
  });

  test('are refused if two files have the same tensor', () => {
    const folder = sharded();
    writeSafetensors(path.join(folder, FIRST), [tensor('a', 1, 2), tensor('b', 3)]);
    expect(refusal(folder)).toBe(`${path.join(folder, FIRST)}: tensor "b" is also in ${SECOND}`);
  });

  test('are refused with an index that is no JSON, or a truncated file', () => {
    const folder = sharded();
    fs.truncateSync(path.join(folder, FIRST), 20);
    expect(refusal(folder)).toContain(`${path.join(folder, FIRST)}: header ends at byte`);
    fs.writeFileSync(path.join(folder, INDEX), '{');
    expect(refusal(folder)).toContain(`${path.join(folder, INDEX)}: is not JSON`);
  });

  test('leave no file open if they are refused', () => {
    const open = () => fs.readdirSync('/proc/self/fd').length;
    const folder = sharded({ a: FIRST, b: SECOND });
    const before = open();
    for (let i = 0; i < 5; i++) refusal(folder);
    expect(open()).toBe(before);
  });
});

describe("weights in PyTorch's own files", () => {
  test.each(['one-head-bert', 'sharded-bert'] as const)('%s: have the numbers of its safetensors', async (name) => {
    const folder = torchModel(name, path.join(root, `torch-${name}`));
    const [torch, safe] = [folder, path.join(FIXTURES, name)].map((each) => Weights.open(each));
    expect([...torch.tensors.keys()].sort()).toEqual([...safe.tensors.keys()].sort());
    for (const tensor of safe.tensors.keys()) {
      expect([tensor, torch.bytes(tensor)]).toEqual([tensor, safe.bytes(tensor)]);
    }
    const hashes = torch.files.map((file) => sha256(fs.readFileSync(file.path)));
    expect(torch.sharded).toBe(name === 'sharded-bert');
    expect(await torch.sha256()).toBe(torch.sharded ? sha256(hashes.join('\n')) : hashes[0]);
    torch.close();
    safe.close();
  });

  test('are not read if there are safetensors, whole or sharded', () => {
    for (const name of ['one-head-bert', 'sharded-bert'] as const) {
      const folder = torchModel(name, path.join(root, `both-${name}`));
      fs.cpSync(path.join(FIXTURES, name), folder, { recursive: true });
      const weights = Weights.open(folder);
      expect(weights.files.every((file) => file.path.endsWith('.safetensors'))).toBe(true);
      weights.close();
    }
  });

  test('are refused if the index names a file of another kind', () => {
    const folder = torchModel('sharded-bert', path.join(root, 'torch-odd'));
    const index = path.join(folder, 'pytorch_model.bin.index.json');
    fs.writeFileSync(index, JSON.stringify({ weight_map: { a: 'model.safetensors' } }));
    expect(refusal(folder)).toBe(
      `${index}: weight_map has tensor "a" in "model.safetensors"; it must be the name of a .bin file in the same folder`,
    );
  });
});
