import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import * as fc from 'fast-check';
import { HifiError } from '../../../foundation/errors';
import { SafetensorsFile } from '../../../model/safetensors';
import { STATE_DICT } from '../../../model/torch/storages';
import { TorchFile } from '../../../model/torch/torch-file';
import { PickleError, unpickle } from '../../../model/torch/unpickle';

const FILES = path.join(__dirname, '../../fixtures/torch-files');
const WRITTEN = ['zip.bin', 'legacy.bin', 'protocol-4.bin'];
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-torch-'));
afterAll(() => fs.rmSync(scratch, { recursive: true }));

function refusal(file: string): string {
  try {
    TorchFile.open(file).close();
  } catch (error) {
    expect(error).toBeInstanceOf(HifiError);
    expect((error as HifiError).code).toBe('INVALID_INPUT');
    const { message } = error as HifiError;
    expect(message).not.toContain('\n');
    expect(message.startsWith(`${file}: `)).toBe(true);
    return message.slice(file.length + 2);
  }
  throw new Error('was not refused');
}

/** Writes bytes to a new file. */
function fileOf(bytes: Uint8Array): string {
  const file = path.join(scratch, 'altered.bin');
  fs.writeFileSync(file, bytes);
  return file;
}

describe.each(WRITTEN)('%s', (name) => {
  test('has the numbers that torch wrote, also of views and shared storages', () => {
    const torch = TorchFile.open(path.join(FILES, name));
    const expected = SafetensorsFile.open(path.join(FILES, 'held.safetensors'));
    expect([...torch.tensors.keys()].sort()).toEqual([...expected.tensors.keys()].sort());
    for (const [tensor, { dtype, shape }] of expected.tensors) {
      expect([tensor, torch.entry(tensor)]).toMatchObject([tensor, { dtype, shape }]);
      expect([tensor, torch.bytes(tensor)]).toEqual([tensor, expected.bytes(tensor)]);
      if (!['F32', 'F16', 'BF16'].includes(dtype)) continue;
      expect(torch.float32(tensor)).toEqual(expected.float32(tensor));
      if (shape.length === 2 && shape[0] > 0) {
        expect([tensor, torch.float32(tensor, 1)]).toEqual([tensor, expected.float32(tensor, 1)]);
      }
    }
    torch.close();
    expected.close();
  });

  test('is refused in one line for any truncation or changed byte', () => {
    const whole = fs.readFileSync(path.join(FILES, name));
    const before = fs.readdirSync('/proc/self/fd').length;
    fc.assert(
      fc.property(fc.nat(whole.length - 1), (length) => {
        refusal(fileOf(whole.subarray(0, length)));
      }),
      { numRuns: 200 },
    );
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.nat(255), (at, byte) => {
        const altered = Buffer.from(whole);
        altered[at] = byte;
        try {
          const file = TorchFile.open(fileOf(altered));
          for (const tensor of file.tensors.keys()) file.bytes(tensor);
          file.close();
        } catch (error) {
          expect(error).toBeInstanceOf(HifiError);
        }
      }),
      { numRuns: 400 },
    );
    expect(fs.readdirSync('/proc/self/fd').length).toBe(before);
  });
});

describe('files other than a state dict of tensors are refused', () => {
  test.each([
    ['system.bin', /its pickle names posix\.system;/],
    ['hidden.bin', /its pickle names builtins\.eval;/],
    ['nested.bin', /its entry "state_dict" is no tensor; save model\.state_dict\(\) alone/],
  ])('%s', (name, message) => {
    expect(refusal(path.join(FILES, name))).toMatch(message);
    expect(fs.existsSync('/tmp/hifi-was-run')).toBe(false);
  });

  test.each<[string, string, RegExp]>([
    ['nothing', '', /was not written by torch\.save \(it begins with nothing\)/],
    ['a web page', '<html>', /is an HTML page/],
    ['an archive without a directory', 'PK\x03\x04 and so on', /no directory; it is truncated/],
  ])('%s', (_, content, message) => {
    expect(refusal(fileOf(Buffer.from(content, 'latin1')))).toMatch(message);
  });

  test('a folder', () => {
    expect(refusal(scratch)).toBe('is a folder; it must be a regular file');
  });
});

// Pickles that torch does not write, made to harm a reader.
describe('a pickle is refused', () => {
  const text = (value: string) => `X${String.fromCharCode(value.length)}\0\0\0${value}`;
  const global = (module: string, name: string) => `c${module}\n${name}\n`;
  const read = (pickle: string) => unpickle(Buffer.from(pickle, 'latin1'), 0, STATE_DICT);

  test.each<[string, string]>([
    ['whose name of a global is a list within a list, and so on', `${']'.repeat(100_001)}${'a'.repeat(100_000)}]\x93.`],
    ['that calls with more arguments than fit', `${global('collections', 'OrderedDict')}(${'N'.repeat(300_000)}tR.`],
  ])('%s', (_, pickle) => {
    expect(() => read(pickle)).toThrow(PickleError);
  });

  test('that gives one storage two sizes: a view of the larger would be beyond the file', () => {
    const pickled = (program: string) => `\x80\x02${program}.`;
    const storage = (numbers: number) =>
      `(${text('storage')}${global('torch', 'FloatStorage')}${text('0')}${text('cpu')}K${String.fromCharCode(numbers)}tQ`;
    const tensor = (numbers: number) =>
      `${global('torch._utils', '_rebuild_tensor_v2')}(${storage(numbers)}K\0K${String.fromCharCode(numbers)}\x85K\x01\x85\x89NtR`;
    const magic = Buffer.from('80028a0a6cfc9c46f9206aa850192e', 'hex').toString('latin1');
    const fileWith = (first: number, second: number) =>
      Buffer.from(
        [
          magic + pickled('M\xe9\x03') + pickled('}'),
          pickled(`}(${text('a')}${tensor(first)}${text('b')}${tensor(second)}u`) + pickled(`](${text('0')}e`),
          `${String.fromCharCode(second)}${'\0'.repeat(7)}${'\0'.repeat(4 * second)}`,
        ].join(''),
        'latin1',
      );
    const whole = TorchFile.open(fileOf(fileWith(2, 2)));
    expect([...whole.float32('a'), ...whole.float32('b')]).toEqual([0, 0, 0, 0]);
    whole.close();
    expect(refusal(fileOf(fileWith(100, 2)))).toMatch(/gives the storage 0 two types or sizes/);
  });
});
