import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { replaceWhole, WholeFile, writeWhole } from '../../foundation/whole-file';

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-whole-'));
afterAll(() => fs.rmSync(scratch, { recursive: true }));

test('a file appears whole or not at all', () => {
  const target = path.join(scratch, 'new', 'lines.txt');
  const file = new WholeFile(target);
  file.write('a');
  expect(fs.existsSync(target)).toBe(false);
  file.write('b'.repeat(3 << 20));
  file.commit();
  file.abandon();
  expect(fs.readFileSync(target, 'utf8')).toBe(`a${'b'.repeat(3 << 20)}`);

  const left = new WholeFile(target);
  left.write('something else');
  left.abandon();
  expect(fs.readFileSync(target, 'utf8')[0]).toBe('a');
  expect(fs.readdirSync(path.dirname(target))).toEqual(['lines.txt']);
});

test('a link is followed, also to a missing file', () => {
  const at = (name: string) => path.join(scratch, 'links', name);
  fs.mkdirSync(at('real'), { recursive: true });
  fs.writeFileSync(at('real/old'), 'old');
  fs.symlinkSync('real/old', at('to-old'));
  // `..` is the parent of the linked folder.
  fs.symlinkSync('real', at('folder'));
  fs.symlinkSync('../new', at('real/to-new'));
  for (const name of ['to-old', 'folder/to-new']) writeWhole(at(name), name);
  expect([at('to-old'), at('folder/to-new')].map((file) => fs.lstatSync(file).isSymbolicLink())).toEqual([true, true]);
  expect([at('real/old'), at('new')].map((file) => fs.readFileSync(file, 'utf8'))).toEqual(['to-old', 'folder/to-new']);
});

test('bytes can be appended or written at a position', () => {
  const target = path.join(scratch, 'bytes');
  const file = new WholeFile(target);
  file.writeBytes(Buffer.from('de'), 3);
  file.writeBytes(Buffer.from('abc'), 0);
  expect(fs.readFileSync(file.written(), 'utf8')).toBe('abcde');
  file.commit();
  expect(fs.readFileSync(target, 'utf8')).toBe('abcde');
});

test('a file or a link is replaced, unless making the new one fails', () => {
  const place = path.join(scratch, 'replaced', 'place');
  fs.mkdirSync(path.dirname(place));
  replaceWhole(place, (beside) => fs.writeFileSync(beside, 'file'));
  expect(fs.readFileSync(place, 'utf8')).toBe('file');
  replaceWhole(place, (beside) => fs.symlinkSync('elsewhere', beside));
  expect(fs.readlinkSync(place)).toBe('elsewhere');
  const failing = (beside: string) => {
    fs.writeFileSync(beside, 'half');
    throw new Error('no more');
  };
  expect(() => replaceWhole(place, failing)).toThrow('no more');
  expect(fs.readlinkSync(place)).toBe('elsewhere');
  expect(fs.readdirSync(path.dirname(place))).toEqual(['place']);
});
