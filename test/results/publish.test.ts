import * as fs from 'node:fs';
import * as path from 'node:path';
import { publishFolder } from '../../results/publish';
import { temporaryFolder } from '../support/deltas';

const folder = temporaryFolder('publish');
let count = 0;
const fresh = () => path.join(folder, `${count++}`);
afterAll(() => fs.rmSync(folder, { recursive: true }));

const note = (text: string) => (into: string) => fs.writeFileSync(path.join(into, 'note'), text);
const read = (out: string) => fs.readFileSync(path.join(out, 'note'), 'utf8');

test('a new folder, an empty one and one that is linked to are filled; others can read them', () => {
  const [made, empty, link] = [path.join(fresh(), 'deep/er'), fresh(), fresh()];
  publishFolder(made, note('made'));
  fs.mkdirSync(empty);
  fs.symlinkSync(empty, link);
  publishFolder(link, note('linked'));
  expect([read(made), read(empty), read(link)]).toEqual(['made', 'linked', 'linked']);
  const ordinary = fresh();
  fs.mkdirSync(ordinary);
  expect(fs.statSync(made).mode).toBe(fs.statSync(ordinary).mode);
});

test('until it is whole the folder is as it was, and a failure leaves nothing beside it', () => {
  const parent = fresh();
  const out = path.join(parent, 'out');
  const failing = (into: string) => {
    note('half')(into);
    expect(fs.existsSync(out) ? read(out) : 'nothing').toBe('nothing');
    throw new Error('no space');
  };
  expect(() => publishFolder(out, failing)).toThrow('no space');
  expect(fs.readdirSync(parent)).toEqual([]);
});

test('only what may be replaced is replaced', () => {
  const out = fresh();
  publishFolder(out, note('old'));
  expect(() => publishFolder(out, note('new'))).toThrow(`${out} holds note: give a new or an empty folder`);
  expect(() => publishFolder(out, note('new'), ['other'])).toThrow('holds note');
  expect(read(out)).toBe('old');
  publishFolder(out, note('new'), ['note']);
  expect(read(out)).toBe('new');
  expect(() => publishFolder(path.join(out, 'note'), note('x'))).toThrow(
    'note is a file: give a new or an empty folder',
  );
});
