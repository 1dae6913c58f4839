import * as fs from 'node:fs';
import * as path from 'node:path';
import { WindowsFile } from '../../trainer/windows-file';
import { temporaryFolder } from '../support/deltas';

const folder = temporaryFolder('windows');
afterAll(() => fs.rmSync(folder, { recursive: true }));

test('reads the count of earlier attempts; undefined if the file is missing or damaged', () => {
  const file = new WindowsFile(folder);
  expect(file.read()).toBeUndefined();
  file.write({ windows: 3, milliseconds: 4100 });
  expect(new WindowsFile(folder).read()).toEqual({ windows: 3, milliseconds: 4100 });
  for (const damaged of ['', '{"windows":3', 'null', '{"windows":"3","milliseconds":1}']) {
    fs.writeFileSync(path.join(folder, 'windows.json'), damaged);
    expect(file.read()).toBeUndefined();
  }
});
