import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { checkPlace } from '../../foundation/output-path';
import { temporaryFolder } from '../support/deltas';
import { mayMount, withMounts } from '../support/mounts';

const scratch = temporaryFolder('place');
afterAll(() => fs.rmSync(scratch, { recursive: true }));
const at = (...names: string[]) => path.join(scratch, ...names);
const child = [process.execPath, path.join(__dirname, 'output-path-child.ts')];

interface Outcome {
  checked: string;
  written: string;
}

const outcomes = (stdout: string): Outcome[] =>
  stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

describe('a path that cannot be written is refused before any work', () => {
  beforeAll(() => {
    fs.writeFileSync(at('file'), '');
    fs.symlinkSync('round', at('round'));
    fs.symlinkSync(at('later', 'deep', 'x'), at('ahead'));
  });

  test.each([
    ['a path through a file', 'file/deep/x', /^X cannot be written: .*\/file is a file, not a folder$/],
    [
      'a name that is too long',
      'é'.repeat(150),
      /^X cannot be written: the name é{20}… has 300 bytes; the maximum is 255$/,
    ],
    ['such a name of a folder above', `${'n'.repeat(256)}/x`, /the name n{20}… has 256 bytes/],
    [
      'a path that is too long',
      `${'deep/'.repeat(900)}x`,
      /^X cannot be written: its path has \d+ bytes, which is too long$/,
    ],
    ['links in a circle', 'round', /its links lead in a circle$/],
  ])('%s', (_, name, line) => {
    for (const kind of ['file', 'folder'] as const) expect(() => checkPlace(at(name), kind, 'X')).toThrow(line);
  });

  test('a writable path is accepted, and the check leaves no trace', () => {
    const before = fs.readdirSync(scratch);
    for (const name of ['n'.repeat(255), 'new/deep/er', 'ahead']) {
      for (const kind of ['file', 'folder'] as const) checkPlace(at(name), kind);
    }
    expect(fs.readdirSync(scratch)).toEqual(before);
  });
});

(process.getuid?.() === 0 ? test : test.skip)(
  "a user without permission is refused first, except in a folder of their own inside another's",
  () => {
    fs.chmodSync(scratch, 0o755);
    fs.mkdirSync(at('closed', 'own'), { recursive: true });
    fs.writeFileSync(at('closed', 'own-file'), 'old');
    for (const name of ['own', 'own-file']) fs.chownSync(at('closed', name), 65534, 65534);
    const asNobody = (...words: string[]) => {
      const { stdout } = spawnSync(child[0], [child[1], ...words], { uid: 65534, gid: 65534, encoding: 'utf8' });
      return outcomes(stdout);
    };
    const refused = expect.stringMatching(/cannot be written: this user may not write in .*\/closed$/);
    expect(asNobody('file', at('closed', 'new'), at('closed', 'own-file'), at('closed', 'own', 'x'))).toEqual([
      { checked: refused, written: refused },
      { checked: refused, written: refused },
      { checked: 'done', written: 'done' },
    ]);
    fs.rmSync(at('closed', 'own', 'x'));
    expect(asNobody('folder', at('closed', 'new'), at('closed', 'own'))).toEqual([
      { checked: refused, written: refused },
      { checked: 'done', written: 'done' },
    ]);
    expect(fs.readdirSync(at('closed', 'own'))).toEqual(['a', 'b']);
  },
);

(mayMount ? test : test.skip)('mount points, read-only and other file systems', () => {
  const root = at('mounts');
  const here = (...names: string[]) => names.map((name) => path.join(root, name)).join(' ');
  const run = (kind: string, ...names: string[]) => `${child.join(' ')} ${kind} ${here(...names)}`;
  const stdout = withMounts(`
    mkdir -p ${here('tmpfs', 'ro', 'origin', 'with\\ space')}; touch ${here('target', 'origin/bound')}
    mount -t tmpfs none ${here('tmpfs')}
    mount -t tmpfs -o ro none ${here('ro')}
    mount --bind ${here('origin/bound')} ${here('target')}
    mount --bind ${here('origin')} ${here('with\\ space')}
    touch ${here('with\\ space/f')}; mount --bind ${here('origin/bound')} ${here('with\\ space/f')}
    ${run('file', 'target', 'with\\ space/f', 'ro/x', 'tmpfs/x')}
    rm ${here('tmpfs/x')}
    ${run('folder', 'tmpfs', 'tmpfs', 'ro', 'ro/deep/x')}
    cat ${here('tmpfs/a', 'tmpfs/b')}; ls -A ${here('tmpfs')}
  `);
  const lines = stdout.split('\n');
  const mounted = expect.stringMatching(
    /^(target|f) cannot be written: it is a mount point, which no new file can replace/,
  );
  const readOnly = expect.stringMatching(/cannot be written: .*\/ro is on a read-only file system$/);
  const done = { checked: 'done', written: 'done' };
  expect(outcomes(lines.slice(0, 8).join('\n'))).toEqual([
    // Linux lets no rename replace a mount point; the check reports that first.
    { checked: mounted, written: expect.stringContaining('EBUSY') },
    { checked: mounted, written: expect.stringContaining('EBUSY') },
    { checked: readOnly, written: readOnly },
    done,
    // Once empty, once with a folder of the same kind.
    done,
    done,
    { checked: readOnly, written: readOnly },
    { checked: readOnly, written: expect.stringMatching(/cannot be written: /) },
  ]);
  expect(lines.slice(8)).toEqual(['new anew ba', 'b', '']);
});
