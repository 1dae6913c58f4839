import * as fs from 'node:fs';
import * as path from 'node:path';
import { bearsToken, readCredentials, readGuard } from '../../../infra/grpc/credentials';
import { temporaryFolder } from '../../support/deltas';

const folder = temporaryFolder('credentials');
const file = path.join(folder, 'token');
const before = process.env.HIFI_TOKEN;
afterEach(() => {
  if (before === undefined) delete process.env.HIFI_TOKEN;
  else process.env.HIFI_TOKEN = before;
});
afterAll(() => fs.rmSync(folder, { recursive: true }));

/** Reads the token of a server and of its client, from a file or the environment. */
function both(text: string, inFile: boolean) {
  if (inFile) fs.writeFileSync(file, text);
  else process.env.HIFI_TOKEN = text;
  const given = inFile ? { tokenFile: file } : {};
  return [readGuard(given).token, readCredentials(given).token];
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
    const [server, client] = both(text, inFile);
    expect([server, client]).toEqual(['s3cret token', 's3cret token']);
    expect(bearsToken(`Bearer ${client}`, server as string)).toBe(true);
  });

  test.each([
    ['of white space', ' \r\n', /the token is empty/],
    ['of two lines', 'one\ntwo', /one line of ASCII/],
    ['in other letters', 'pässwort', /one line of ASCII/],
  ])('%s is refused by both', (_, text, message) => {
    expect(() => both(text, inFile)).toThrow(message);
    expect(() => readCredentials(inFile ? { tokenFile: file } : {})).toThrow(message);
  });
});
