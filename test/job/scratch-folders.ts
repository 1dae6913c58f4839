import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';

/**
 * Creates a scratch folder for a suite, which is removed at its end.
 *
 * @returns its path, and a function that creates a folder in it with files of their own names
 */
export function scratchFolders(purpose: string) {
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), `hifi-${purpose}-`));
  afterAll(() => fs.rmSync(scratch, { recursive: true }));
  let count = 0;
  const folder = (...files: string[]): string => {
    const at = path.join(scratch, `out-${count++}`);
    for (const file of files) {
      fs.mkdirSync(path.dirname(path.join(at, file)), { recursive: true });
      fs.writeFileSync(path.join(at, file), file);
    }
    return at;
  };
  return { scratch, folder };
}
