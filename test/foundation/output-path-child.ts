import * as fs from 'node:fs';
import * as path from 'node:path';
import { checkPlace } from '../../foundation/output-path';
import { writeWhole } from '../../foundation/whole-file';
import { publishFolder } from '../../foundation/whole-folder';

/*
 * Compares the verdict of `checkPlace` with the result of the write itself, in a process with the
 * rights and mounts of the caller. Arguments: `file` or `folder`, then paths. Prints a JSON line
 * for each.
 */
const [kind, ...paths] = process.argv.slice(2) as ['file' | 'folder', ...string[]];

const attempt = (work: () => void) => {
  try {
    work();
    return 'done';
  } catch (error) {
    return (error as Error).message;
  }
};

for (const out of paths) {
  const checked = attempt(() => checkPlace(out, kind, path.basename(out)));
  const fill = (folder: string) => {
    for (const name of ['a', 'b']) fs.writeFileSync(path.join(folder, name), `new ${name}`);
  };
  const written = attempt(() =>
    kind === 'file' ? writeWhole(out, 'new') : publishFolder(out, fill, { parts: ['a', 'b'] }),
  );
  process.stdout.write(`${JSON.stringify({ checked, written })}\n`);
}
