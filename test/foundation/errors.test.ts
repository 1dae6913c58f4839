import * as fs from 'node:fs';
import { failed, HifiError, isNoSpace, noRoom } from '../../foundation/errors';
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
