import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';

const COLUMNS = 100;
const root = path.join(__dirname, '..');
const files = execFileSync('git', ['ls-files', '*.ts', '*.mts', '*.cjs', '*.proto'], { cwd: root, encoding: 'utf8' })
  .trim()
  .split('\n')
  .filter((file) => !file.startsWith('proto/gen/') && fs.existsSync(path.join(root, file)));

/** A line that holds nothing but a comment or a part of one. */
const COMMENT = /^\s*(\/\/|\/\*|\*)/;
/** One word without a place to break it, such as a URL. */
const UNBREAKABLE = /^\s*(\/\/|\/\*\*?|\*)?\s*\S+(\s*\*\/)?$/;
const DOC_OF = /^[ \t]*\/\*\*(\s*\n\s*\*)?\s+Of\b/gm;
/** Documentation in a contract: the first line of a block of comments. */
const PROTO_OF = /(?<!\/\/[^\n]*\n)^[ \t]*\/\/ Of\b/gm;

/** `FILE:LINE` of each line that breaks the rule. */
const placesOf = (breaks: (file: string, text: string) => number[]) =>
  files.flatMap((file) =>
    breaks(file, fs.readFileSync(path.join(root, file), 'utf8')).map((line) => `${file}:${line}`),
  );

it(`no line of a comment is longer than ${COLUMNS} columns`, () => {
  const places = placesOf((_, text) =>
    text
      .split('\n')
      .flatMap((line, i) =>
        [...line].length > COLUMNS && COMMENT.test(line) && !UNBREAKABLE.test(line) ? [i + 1] : [],
      ),
  );
  expect(places).toEqual([]);
});

it('no doc comment begins with "Of": its first sentence names the thing', () => {
  const places = placesOf((file, text) =>
    [...text.matchAll(file.endsWith('.proto') ? PROTO_OF : DOC_OF)].map(
      ({ index }) => text.slice(0, index).split('\n').length,
    ),
  );
  expect(places).toEqual([]);
});
