import * as fs from 'node:fs';
import {
  diverged,
  failed,
  HifiError,
  invalidPart,
  invalidValue,
  isNoSpace,
  noRoom,
  renamed,
  shown,
  unsupported,
  within,
} from '../../foundation/errors';
import { hifiErrorOf, rpcErrorOf, status } from '../../proto/status';

const thrownBy = (work: () => void): unknown => {
  try {
    work();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
};

describe('a write that finds no room', () => {
  // Each write to /dev/full fails as on a full disk.
  const full = thrownBy(() => fs.writeFileSync('/dev/full', 'text'));

  test('is recognised by the codes of Node.js, lmdb and this project, also as a cause', () => {
    const lmdb = (code: number) => Object.assign(new Error('of lmdb'), { code });
    const found = [full, failed('wrapped', full), lmdb(28), lmdb(-30_792), noRoom('full')];
    expect(found.map(isNoSpace)).toEqual(found.map(() => true));
    const others = [thrownBy(() => fs.readFileSync('/no/such/file')), lmdb(5), failed('ENOSPC'), undefined, 'ENOSPC'];
    expect(others.map(isNoSpace)).toEqual(others.map(() => false));
  });

  test('is DISK_FULL with the system’s message, and on the wire a status with a retry delay', () => {
    expect(HifiError.from(full)).toMatchObject({
      code: 'DISK_FULL',
      message: expect.stringMatching(/^no room .*ENOSPC/),
    });
    const sent = rpcErrorOf(full);
    expect(sent).toMatchObject({
      code: status.RESOURCE_EXHAUSTED,
      reason: 'DISK_FULL',
      details: { retrySeconds: expect.any(Number) },
    });
    expect(hifiErrorOf(sent)).toMatchObject({ code: 'DISK_FULL', message: sent.message });
  });
});

describe('bad input', () => {
  test('names the part, its value and what would be right, also under another name', () => {
    const error = invalidValue({ field: 'k', value: shown(13), expected: '1 to 12' });
    const expected = { code: 'INVALID_INPUT', field: 'k', value: '13', expected: '1 to 12' };
    expect(error).toMatchObject({ ...expected, message: 'k is 13; it must be 1 to 12' });
    expect(renamed(error, 'spec.selection.k')).toMatchObject({
      ...{ ...expected, field: 'spec.selection.k', cause: error },
      message: 'spec.selection.k is 13; it must be 1 to 12',
    });
    const named = invalidValue({ field: 'k', value: '13', expected: '1 to 12' }, 'selection option k');
    expect(named).toMatchObject({ ...expected, message: 'selection option k is 13; it must be 1 to 12' });
    expect(renamed(invalidPart('a', 'no task "x"'), 'b')).toMatchObject({ field: 'b', message: 'b: no task "x"' });
  });

  test.each<[unknown, string]>([
    [undefined, 'missing'],
    [Number.NaN, 'NaN'],
    [7n, '7'],
    ['a "b"', '"a \\"b\\""'],
    [{ a: [1] }, '{"a":[1]}'],
    ['x'.repeat(100), `"${'x'.repeat(76)}…`],
  ])('shows %p as %s', (value, text) => expect(shown(value)).toBe(text));

  test('an option that the machine does not support is FAILED_PRECONDITION, and so on the way back', () => {
    const sent = rpcErrorOf(unsupported('device cuda does not work here'));
    expect(sent).toMatchObject({ code: status.FAILED_PRECONDITION, reason: 'UNSUPPORTED' });
    expect(hifiErrorOf(sent)).toMatchObject({ code: 'UNSUPPORTED', message: 'device cuda does not work here' });
  });

  test('callers that wait for the same work each name the part of their own request', async () => {
    const shared = Promise.reject(invalidPart('info', 'no SHA-256'));
    const fieldOf = (part: string) => within(part, () => shared).catch((error) => error.field);
    expect([await fieldOf('deltas[0]'), await fieldOf('deltas[1]')]).toEqual(['deltas[0].info', 'deltas[1].info']);
  });

  test('on the wire it is a violation of its field; a divergence is INTERNAL', () => {
    const sent = rpcErrorOf(invalidValue({ field: 'options.xi', value: '2', expected: 'above 0, at most 1' }));
    const description = 'options.xi is 2; it must be above 0, at most 1';
    expect(sent).toMatchObject({ code: status.INVALID_ARGUMENT, reason: 'INVALID_INPUT', message: description });
    expect(sent.details.violations).toEqual([{ field: 'options.xi', description }]);
    expect(rpcErrorOf(diverged('the loss is NaN'))).toMatchObject({ code: status.INTERNAL, reason: 'DIVERGED' });
  });
});
