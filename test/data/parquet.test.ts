import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';

const root = path.join(__dirname, '../..');
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-parquet-'));
afterAll(() => fs.rmSync(folder, { recursive: true }));

it('does not blame the file if hyparquet cannot be loaded: in a bundle without it, or with Yarn PnP', () => {
  // Sources in a folder without hyparquet in any node_modules.
  for (const part of ['data', 'heads', 'foundation']) {
    fs.cpSync(path.join(root, part), path.join(folder, part), { recursive: true });
  }
  const file = path.join(root, 'test/fixtures/formats/rows.snappy.parquet');
  const program = `require('./data/read.ts').readDataset({ path: ${JSON.stringify(file)}, textColumns: ['text'] }, 'texts')
    .then(() => console.log('read'), ({ code, message }) => console.log(JSON.stringify({ code, message })))`;
  const hook = path.join(root, 'test/support/typescript-hook.cjs');
  const { stdout, stderr } = spawnSync(process.execPath, ['--require', hook, '--eval', program], {
    cwd: folder,
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
  const { code, message } = JSON.parse(stdout);
  expect(code).toBe('FAILED');
  expect(message).toMatch(/hyparquet or hyparquet-compressors could not be loaded \(.*hyparquet.*\); in a bundle keep/);
  expect(message).not.toMatch(/damaged|not a Parquet file/);
});
