import { z } from 'zod';
import { ENGINE_RULES, numberIn, optionsCheck, seedRule, wholeFrom1 } from '../../heads/options';

interface Options {
  rows: number;
  share: number;
  seed: number;
  device: 'auto' | 'cpu' | 'cuda';
  threads?: number;
}

const schema = z.strictObject({
  rows: wholeFrom1,
  share: numberIn('above 0', (share) => share > 0),
  seed: seedRule,
  ...ENGINE_RULES,
});
const check = optionsCheck<Options>('test', schema, { rows: 1, share: 0.5, seed: 0, device: 'auto' });

it('fills in the defaults; an option that is undefined is not given', () => {
  expect(check({})).toEqual({ rows: 1, share: 0.5, seed: 0, device: 'auto' });
  expect(check({ rows: undefined, seed: 2 ** 32 - 1, threads: 1024 })).toEqual({
    ...{ rows: 1, share: 0.5, device: 'auto' },
    ...{ seed: 2 ** 32 - 1, threads: 1024 },
  });
});

it.each<[Record<string, unknown>, string, string, string]>([
  [{ rows: 0 }, 'rows', '0', 'a whole number from 1'],
  [{ rows: '3' }, 'rows', '"3"', 'a whole number from 1'],
  [{ share: 0 }, 'share', '0', 'above 0'],
  [{ share: Number.POSITIVE_INFINITY }, 'share', 'Infinity', 'a number above 0'],
  [{ seed: 2 ** 32 }, 'seed', '4294967296', 'a whole number from 0 to 4294967295'],
  [{ device: 'tpu' }, 'device', '"tpu"', 'auto, cpu or cuda'],
  [{ threads: 1025 }, 'threads', '1025', 'a whole number from 1 to 1024'],
])('refuses %p', (given, field, value, expected) => {
  const message = `test option ${field} is ${value}; it must be ${expected}`;
  expect(() => check(given)).toThrow(
    expect.objectContaining({ code: 'INVALID_INPUT', field, value, expected, message }),
  );
});

it('refuses an option that there is not', () => {
  expect(() => check({ row: 1 } as object)).toThrow('there is no test option "row"');
});
