import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { WholeFile } from '../../infra/whole-file';

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-whole-'));
afterAll(() => fs.rmSync(scratch, { recursive: true }));

test('a file is whole or not there', () => {
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
