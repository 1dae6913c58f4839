import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { hasKey, keyOf, storeKey } from '../../cli/result-key';

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-made-of-'));
afterAll(() => fs.rmSync(scratch, { recursive: true }));

test('a result is reused for the same command and input files', () => {
  const [rows, mask, result] = ['rows.tsv', 'mask.json', 'out'].map((name) => path.join(scratch, name));
  fs.writeFileSync(rows, 'a');
  fs.writeFileSync(mask, 'b');
  const key = () => keyOf(['train', '--epochs', '3'], [rows, mask]);
  expect(hasKey(result, key())).toBe(false);
  storeKey(result, key());
  expect(hasKey(result, key())).toBe(true);
  expect(hasKey(result, keyOf(['train', '--epochs', '2'], [rows, mask]))).toBe(false);
  expect(hasKey(result, keyOf(['train', '--epochs', '3'], [mask, rows]))).toBe(false);
  fs.writeFileSync(mask, 'c');
  expect(hasKey(result, key())).toBe(false);
});
