import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import * as fc from 'fast-check';
import { HifiError } from '../../foundation/errors';
import { widenBF16, widenF16 } from '../../model/half-precision';
import { SafetensorsFile, safetensorsBytes, type TensorSource, writeSafetensors } from '../../model/safetensors';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-safetensors-'));
afterAll(() => fs.rmSync(folder, { recursive: true }));

const file = path.join(folder, 'model.safetensors');
const f32 = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer);
const source = (name: string, dtype: string, shape: number[], bytes: Uint8Array): TensorSource => ({
  name,
  dtype,
  shape,
  bytes: () => bytes,
});

/** Creates a file of a header with its length, by default the true one, and `data` zero bytes. */
function put(header: string | Buffer, data: number, length?: bigint): string {
  const text = Buffer.from(header as string);
  const first = Buffer.alloc(8);
  first.writeBigUInt64LE(length ?? BigInt(text.length));
  fs.writeFileSync(file, Buffer.concat([first, text, Buffer.alloc(data)]));
  return file;
}

function refusal(make: () => unknown): string {
  try {
    make();
  } catch (error) {
    expect(error).toBeInstanceOf(HifiError);
    expect((error as HifiError).code).toBe('INVALID_INPUT');
    const { message } = error as HifiError;
    expect(message).toContain(file);
    expect(message).not.toContain('\n');
    return message;
  }
  throw new Error('was not refused');
}

describe('refuses', () => {
  const tensor = (begin: number, end: number, shape = [(end - begin) / 4], dtype = 'F32') => ({
    dtype,
    shape,
    data_offsets: [begin, end],
  });

  test.each<[string, object | string, number, string]>([
    [
      'offsets past the end',
      { a: tensor(0, 16) },
      12,
      'tensor "a": data_offsets is [0,16]; it must be within the 12 bytes',
    ],
    ['a hole at the start', { a: tensor(4, 8) }, 8, '4 bytes between the header and tensor "a" belong to no tensor'],
    ['a hole', { b: tensor(8, 12), a: tensor(0, 4) }, 12, '4 bytes between tensor "a" and tensor "b"'],
    ['a hole at the end', { a: tensor(0, 4) }, 12, '8 bytes after tensor "a" belong to no tensor'],
    ['an overlap', { a: tensor(0, 8), b: tensor(4, 12) }, 12, 'tensor "b" begins at 4, before tensor "a" ends (8)'],
    ['two tensors in one place', { a: tensor(0, 8), b: tensor(0, 8) }, 8, 'before tensor "a" ends (8); they overlap'],
    ['data without tensors', {}, 4, '4 bytes after the header belong to no tensor'],
    ['a shape that is too small', { a: tensor(0, 8, [1]) }, 8, 'it must be 4 bytes long, as shape [1] and dtype F32'],
    [
      'a shape that is too large',
      { a: tensor(0, 8, [2, 2]) },
      8,
      'it must be 16 bytes long, as shape [2,2] and dtype F32',
    ],
    ['a shape past all numbers', { a: tensor(0, 8, [2 ** 40, 2 ** 40]) }, 8, 'tensor "a": data_offsets is [0,8]'],
    ['half a byte', { a: tensor(0, 1, [1], 'F4') }, 1, 'it must be whole bytes long'],
    ['an unknown dtype', { a: tensor(0, 8, [2], 'F31') }, 8, 'tensor "a": dtype is "F31"; it must be one of F4,'],
    ['a dtype of an object', { a: tensor(0, 8, [2], 'toString') }, 8, 'tensor "a": dtype is "toString"'],
    ['no dtype', { a: { shape: [2], data_offsets: [0, 8] } }, 8, 'tensor "a": dtype is missing'],
    ['a shape with a fraction', { a: tensor(0, 8, [0.5, 4]) }, 8, 'tensor "a": shape is [0.5,4]'],
    ['a negative shape', { a: tensor(0, 8, [-2, -1]) }, 8, 'tensor "a": shape is [-2,-1]'],
    ['a shape that is no array', { a: { dtype: 'F32', shape: 2, data_offsets: [0, 8] } }, 8, 'shape is 2'],
    [
      'offsets in the wrong order',
      { a: { dtype: 'F32', shape: [2], data_offsets: [8, 0] } },
      8,
      'data_offsets is [8,0]',
    ],
    ['three offsets', { a: { dtype: 'F32', shape: [2], data_offsets: [0, 4, 8] } }, 8, 'data_offsets is [0,4,8]'],
    ['no offsets', { a: { dtype: 'F32', shape: [2] } }, 8, 'data_offsets is missing'],
    ['an entry that is no object', { a: 3 }, 0, 'tensor "a": entry is 3'],
    ['metadata that are no strings', { __metadata__: { a: 1 } }, 0, '__metadata__ is {"a":1}'],
    ['a header that is no object', '[]', 0, 'header is no JSON object'],
    ['a header that is no JSON', '{"a":', 0, 'header is not JSON'],
    ['a header of nothing', '', 0, 'header is not JSON'],
  ])('%s', (_, header, data, message) => {
    put(typeof header === 'string' ? header : JSON.stringify(header), data);
    expect(refusal(() => SafetensorsFile.open(file))).toContain(message);
  });

  test('a repeated name, also if one is spelled with an escape', () => {
    const a = JSON.stringify(tensor(0, 4));
    const b = JSON.stringify(tensor(4, 8));
    put(`{"a":${a},"b":${b},"a":${b}}`, 8);
    expect(refusal(() => SafetensorsFile.open(file))).toContain('header names "a" twice');
    put(`{"a":${a},"\\u0061":${b}}`, 8);
    expect(refusal(() => SafetensorsFile.open(file))).toContain('header names "a" twice');
    put('{"a":{"dtype":"F32","shape":[1],"shape":[2],"data_offsets":[0,8]}}', 8);
    expect(refusal(() => SafetensorsFile.open(file))).toContain('header names "shape" twice');
  });

  test('more than 100,000 tensors, before the header is parsed; null metadata is accepted', () => {
    const entry = (i: number) => `"${i}":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}`;
    const header = (tensors: number) =>
      `{"__metadata__":null,${Array.from({ length: tensors }, (_, i) => entry(i)).join()}}`;
    put(header(100_003), 0);
    expect(refusal(() => SafetensorsFile.open(file))).toContain('describes 100003 tensors; at most 100000 are read');
    put(header(100_004).replace('{', '['), 0);
    expect(refusal(() => SafetensorsFile.open(file))).toContain('describes 100003 tensors; at most 100000 are read');
    put(header(1000), 0);
    const opened = SafetensorsFile.open(file);
    opened.close();
    expect(opened.metadata).toEqual({});
    expect(opened.tensors.size).toBe(1000);
  });

  test('a name that only looks like a repetition is not refused', () => {
    put(
      JSON.stringify({ 'a"b': tensor(0, 4), 'a\\': tensor(4, 8), '{"a': tensor(8, 12), __proto__x: tensor(12, 16) }),
      16,
    );
    const opened = SafetensorsFile.open(file);
    expect([...opened.tensors.keys()]).toEqual(['a"b', 'a\\', '{"a', '__proto__x']);
    opened.close();
  });

  test('a tensor named __proto__ is a tensor', () => {
    put(`{"__proto__":${JSON.stringify(tensor(0, 4))}}`, 4);
    const opened = SafetensorsFile.open(file);
    expect(opened.float32('__proto__')).toEqual(new Float32Array(1));
    opened.close();
  });

  test('a header that is no UTF-8', () => {
    put(Buffer.concat([Buffer.from('{"'), Buffer.from([0xff]), Buffer.from('":0}')]), 0);
    expect(refusal(() => SafetensorsFile.open(file))).toContain('header is not JSON');
  });

  test('a header of 10 GB in a tiny file, and of 2^64 − 1 bytes, without memory for them', () => {
    const before = process.memoryUsage().arrayBuffers;
    put('{}', 0, 10_000_000_000n);
    expect(refusal(() => SafetensorsFile.open(file))).toContain(
      'header of 10000000000 bytes; at most 16000000 are read',
    );
    put('{}', 0, 2n ** 64n - 1n);
    expect(refusal(() => SafetensorsFile.open(file))).toContain('header of 18446744073709551615 bytes');
    put('{}', 0, 15_999_999n);
    expect(refusal(() => SafetensorsFile.open(file))).toContain('header ends at byte 16000007, the file at byte 10');
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(50e6);
  });

  test('empty, tiny, missing and truncated files', () => {
    fs.writeFileSync(file, '');
    expect(refusal(() => SafetensorsFile.open(file))).toContain('is empty');
    fs.writeFileSync(file, '1234567');
    expect(refusal(() => SafetensorsFile.open(file))).toContain('has 7 bytes');
    fs.rmSync(file);
    expect(refusal(() => SafetensorsFile.open(file))).toContain('no such file');

    writeSafetensors(file, [source('a', 'F32', [3], f32(1, 2, 3)), source('b', 'F32', [3], f32(4, 5, 6))]);
    const whole = fs.readFileSync(file);
    for (let size = 0; size < whole.length; size++) {
      fs.writeFileSync(file, whole.subarray(0, size));
      expect(() => SafetensorsFile.open(file)).toThrow(HifiError);
    }
  });

  test('a folder', () => {
    fs.mkdirSync(`${file}.d`);
    expect(() => SafetensorsFile.open(`${file}.d`)).toThrow('is a folder; it must be a regular file');
  });

  test('a file that shrinks after it was opened', () => {
    writeSafetensors(file, [source('a', 'F32', [3], f32(1, 2, 3))]);
    const opened = SafetensorsFile.open(file);
    fs.truncateSync(file, opened.size - 4);
    expect(refusal(() => opened.float32('a'))).toContain('truncated');
    opened.close();
    expect(() => opened.float32('a')).toThrow('is closed');
  });
});

describe('reading', () => {
  test('a tensor and its bytes', () => {
    writeSafetensors(file, [
      source('odd', 'U8', [3], Uint8Array.of(1, 2, 3)),
      source('m', 'F32', [3, 2], f32(1, 2, 3, 4, 5, 6)),
    ]);
    const opened = SafetensorsFile.open(file);
    expect(opened.float32('m')).toEqual(Float32Array.of(1, 2, 3, 4, 5, 6));
    expect(opened.bytes('odd')).toEqual(Uint8Array.of(1, 2, 3));
    expect(refusal(() => opened.float32('odd'))).toContain('tensor "odd" is U8; it must be F32, F16 or BF16');
    expect(refusal(() => opened.float32('none'))).toContain('has no tensor "none"');
    opened.close();
  });

  test('doubles are refused as weights', () => {
    writeSafetensors(file, [source('d', 'F64', [1], new Uint8Array(8))]);
    const opened = SafetensorsFile.open(file);
    expect(refusal(() => opened.float32('d'))).toContain('tensor "d" is F64');
    opened.close();
  });

  test('half-precision numbers are widened', () => {
    const halves = new Uint8Array(Uint16Array.of(0x3c00, 0xc000, 0x3800, 0x0001).buffer);
    const brains = new Uint8Array(Uint16Array.of(0x3f80, 0xc000, 0x3f00, 0x0001).buffer);
    writeSafetensors(file, [source('h', 'F16', [2, 2], halves), source('b', 'BF16', [2, 2], brains)]);
    const opened = SafetensorsFile.open(file);
    expect(opened.float32('h')).toEqual(Float32Array.of(1, -2, 0.5, 2 ** -24));
    expect(opened.float32('b')).toEqual(Float32Array.of(1, -2, 0.5, 2 ** -133));
    opened.close();
  });

  test('tensors past 2 GB are read at the right place', () => {
    // The file is sparse: 2.2 GB of zeros, then three numbers.
    const zeros = 2_200_000_000;
    const header = JSON.stringify({
      zeros: { dtype: 'U8', shape: [zeros], data_offsets: [0, zeros] },
      last: { dtype: 'F32', shape: [3], data_offsets: [zeros, zeros + 12] },
    });
    put(header, 0);
    const descriptor = fs.openSync(file, 'r+');
    fs.writeSync(descriptor, f32(7, 8, 9), 0, 12, 8 + header.length + zeros);
    fs.closeSync(descriptor);
    const opened = SafetensorsFile.open(file);
    expect(opened.float32('last')).toEqual(Float32Array.of(7, 8, 9));
    opened.close();
    fs.rmSync(file);
  });
});

describe('exact widening of all 65,536 numbers', () => {
  const all = Uint16Array.from({ length: 0x10000 }, (_, bits) => bits);
  /** Value by the definition: (−1)^sign · 1.fraction · 2^(exponent − bias). */
  const value = (bits: number, fractionBits: number, exponentBits: number) => {
    const fraction = (bits % 2 ** fractionBits) / 2 ** fractionBits;
    const exponent = Math.floor(bits / 2 ** fractionBits) % 2 ** exponentBits;
    const sign = bits >= 0x8000 ? -1 : 1;
    const bias = 2 ** (exponentBits - 1) - 1;
    if (exponent === 2 ** exponentBits - 1) return fraction === 0 ? sign * Infinity : Number.NaN;
    return sign * (exponent === 0 ? fraction * 2 ** (1 - bias) : (1 + fraction) * 2 ** (exponent - bias));
  };

  test.each([
    ['F16', widenF16, 10, 5],
    ['BF16', widenBF16, 7, 8],
  ] as const)('%s', (_, widen, fractionBits, exponentBits) => {
    const wide = widen(all);
    expect(wide).toHaveLength(0x10000);
    const wrong = [...all].filter((bits) => !Object.is(wide[bits], value(bits, fractionBits, exponentBits)));
    expect(wrong).toEqual([]);
  });
});

describe('writing', () => {
  const widths: Record<string, number> = { F64: 8, I64: 8, F32: 4, F16: 2, BF16: 2, U8: 1, BOOL: 1 };
  const tensors = fc.uniqueArray(
    fc.record({
      name: fc.string({ unit: 'grapheme' }).filter((name) => name !== '__metadata__'),
      dtype: fc.constantFrom(...Object.keys(widths)),
      shape: fc.array(fc.nat(5), { maxLength: 3 }),
      seed: fc.nat(255),
    }),
    { selector: ({ name }) => name, maxLength: 8 },
  );
  const filled = (shape: number[], dtype: string, seed: number) =>
    Uint8Array.from({ length: shape.reduce((product, axis) => product * axis, widths[dtype]) }, (_, i) => seed + 7 * i);

  test('written tensors are read back, aligned, with their metadata', () => {
    fc.assert(
      fc.property(tensors, fc.dictionary(fc.string(), fc.string()), (list, metadata) => {
        const sources = list.map(({ name, dtype, shape, seed }) =>
          source(name, dtype, shape, filled(shape, dtype, seed)),
        );
        writeSafetensors(file, sources, metadata);
        const opened = SafetensorsFile.open(file);
        expect(opened.headerBytes.length % 8).toBe(0);
        expect(opened.size).toBe(safetensorsBytes(sources, metadata));
        expect(opened.headerBytes).toEqual(fs.readFileSync(file).subarray(0, opened.headerBytes.length));
        expect(new Map(Object.entries(opened.metadata))).toEqual(new Map(Object.entries(metadata)));
        expect([...opened.tensors.keys()].sort()).toEqual(list.map(({ name }) => name).sort());
        for (const { name, dtype, shape, seed } of list) {
          const entry = opened.entry(name);
          expect([entry.dtype, entry.shape, entry.begin % widths[dtype]]).toEqual([dtype, shape, 0]);
          expect(opened.bytes(name)).toEqual(filled(shape, dtype, seed));
        }
        opened.close();
      }),
    );
  });

  test("a file of Python's safetensors, written again, has the same bytes", () => {
    const fixtures = path.join(__dirname, '../fixtures');
    for (const model of ['tiny-bert', 'one-head-bert']) {
      const original = path.join(fixtures, model, 'model.safetensors');
      const opened = SafetensorsFile.open(original);
      const sources = [...opened.tensors].map(([name, { dtype, shape }]) =>
        source(name, dtype, [...shape], opened.bytes(name)),
      );
      writeSafetensors(file, sources, opened.metadata);
      opened.close();
      expect(fs.readFileSync(file).equals(fs.readFileSync(original))).toBe(true);
    }
  });

  test('the same tensors give the same bytes', () => {
    const list = [source('b', 'F32', [1], f32(1)), source('a', 'I64', [1], new Uint8Array(8))];
    writeSafetensors(file, list, { format: 'pt' });
    const first = fs.readFileSync(file);
    writeSafetensors(file, list, { format: 'pt' });
    expect(fs.readFileSync(file)).toEqual(first);
  });

  test('a failure leaves the old file unchanged and nothing beside it', () => {
    writeSafetensors(file, [source('a', 'F32', [1], f32(1))]);
    const before = fs.readFileSync(file);
    const listing = fs.readdirSync(folder);
    const failing = [
      source('a', 'F32', [1], f32(2)),
      {
        ...source('b', 'F32', [1], f32(3)),
        bytes: () => {
          throw new Error('no more');
        },
      },
    ];
    expect(() => writeSafetensors(file, failing)).toThrow('no more');
    expect(() => writeSafetensors(file, [source('a', 'F32', [2], f32(1))])).toThrow(
      'tensor "a" has 4 bytes; its shape requires 8',
    );
    const twice = source('a', 'F32', [1], f32(1));
    expect(() => writeSafetensors(file, [twice, twice])).toThrow('tensor "a"');
    expect(() => writeSafetensors(file, [source('a', 'F31', [1], f32(1))])).toThrow('unknown dtype F31');
    expect(fs.readFileSync(file)).toEqual(before);
    expect(fs.readdirSync(folder)).toEqual(listing);
  });
});
