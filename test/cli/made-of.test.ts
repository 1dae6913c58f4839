import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { isMadeOf, keyOf, noteMadeOf } from '../../cli/made-of';

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-made-of-'));
afterAll(() => fs.rmSync(scratch, { recursive: true }));

test('a result is kept while its command and the files that it reads are the same', () => {
  const [rows, mask, result] = ['rows.tsv', 'mask.json', 'out'].map((name) => path.join(scratch, name));
  fs.writeFileSync(rows, 'a');
  fs.writeFileSync(mask, 'b');
  const key = () => keyOf(['train', '--epochs', '3'], [rows, mask]);
  expect(isMadeOf(result, key())).toBe(false);
  noteMadeOf(result, key());
  expect(isMadeOf(result, key())).toBe(true);
  expect(isMadeOf(result, keyOf(['train', '--epochs', '2'], [rows, mask]))).toBe(false);
  expect(isMadeOf(result, keyOf(['train', '--epochs', '3'], [mask, rows]))).toBe(false);
  fs.writeFileSync(mask, 'c');
  expect(isMadeOf(result, key())).toBe(false);
});
