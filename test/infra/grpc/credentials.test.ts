import * as fs from 'node:fs';
import * as path from 'node:path';
import { readCredentials, readGuard } from '../../../infra/grpc/credentials';
import { roleOf } from '../../../infra/grpc/tokens';
import { temporaryFolder } from '../../support/deltas';

const folder = temporaryFolder('credentials');
const file = path.join(folder, 'token');
const before = process.env.HIFI_TOKEN;
afterEach(() => {
  if (before === undefined) delete process.env.HIFI_TOKEN;
  else process.env.HIFI_TOKEN = before;
});
afterAll(() => fs.rmSync(folder, { recursive: true }));

/** Reads the tokens of a server and that of its client, from a file or the environment. */
function both(text: string, inFile: boolean) {
  if (inFile) fs.writeFileSync(file, text);
  else process.env.HIFI_TOKEN = text;
  const given = inFile ? { tokenFile: file } : {};
  return { tokens: readGuard(given).tokens!, token: readCredentials(given).token };
}

describe.each([
  ['a file', true],
  ['HIFI_TOKEN', false],
])('a token in %s', (_, inFile) => {
  test.each([
    ['alone', 's3cret token'],
    ['with a line break', 's3cret token\n'],
    ['with a line break of Windows', 's3cret token\r\n'],
    ['with a byte order mark', '\ufeffs3cret token\r\n'],
    ['with spaces and tabs', ' \ts3cret token \n\n'],
  ])('%s gives a server and its clients the same token', (_, text) => {
    const { tokens, token } = both(text, inFile);
    expect([tokens, token]).toEqual([[{ role: 'admin', token: 's3cret token' }], 's3cret token']);
    expect(roleOf(`Bearer ${token}`, tokens)).toBe('admin');
  });

  test('of several roles: a client takes the first of the strongest', () => {
    const { tokens, token } = both('infer one\r\n\r\nrun two\nrun  the third\n', inFile);
    expect(tokens).toEqual([
      { role: 'infer', token: 'one' },
      { role: 'run', token: 'two' },
      { role: 'run', token: 'the third' },
    ]);
    expect(token).toBe('two');
    expect(both('infer one\nlast\nadmin four', inFile).token).toBe('last');
  });

  test.each([
    ['of white space', ' \r\n', /the token is empty/],
    ['in other letters', 'run x7f1\npässwort', /: line 2 has characters that no token may have/],
    ['of a role alone', 'x7f1\n\nrun\n', /: line 3 has the role run and no token; it must be ROLE TOKEN/],
    ['of an unknown role', 'infer x7f1\nroot x7f2', /: line 2 begins with no role; .* infer, run, admin/],
    ['that is given twice', 'x7f1\ninfer x7f2\nrun x7f1', /: line 3 has the token of line 1/],
  ])('%s is refused by both', (_, text, message) => {
    expect(() => both(text, inFile)).toThrow(message);
    expect(() => readCredentials(inFile ? { tokenFile: file } : {})).toThrow(message);
    expect(() => both(text, inFile)).not.toThrow(/x7f|pässwort/);
  });
});
