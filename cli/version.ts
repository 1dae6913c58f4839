import * as fs from 'node:fs';
import * as path from 'node:path';

/** Returns the version of the package that this file belongs to, built or not. */
export function packageVersion(): string {
  for (let folder = __dirname; ; folder = path.dirname(folder)) {
    const file = path.join(folder, 'package.json');
    if (fs.existsSync(file)) return (JSON.parse(fs.readFileSync(file, 'utf8')) as { version: string }).version;
  }
}
