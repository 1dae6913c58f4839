import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import * as zlib from 'node:zlib';
import { loadTokenizer } from '../../../model/tokenizer';
import { normalForm, withoutMarks } from '../../../model/tokenizer/normal-form';

/*
 * Token ids of SentencePiece models and of byte-level BPE's files, against Python's transformers.
 * make_tokenizer_models.py makes and describes the golden file.
 */

const FOLDER = path.join(__dirname, '../../fixtures/tokenizer-lines');
const unpacked = (name: string) =>
  JSON.parse(zlib.gunzipSync(fs.readFileSync(path.join(FOLDER, `${name}.golden.json.gz`))).toString('utf8'));

type Row = [single: number[], pair: number[], typeIds: number[]];
interface Case {
  name: string;
  files: Record<string, number>;
  ids: number[][] | null;
  pairs: Row[];
}
const { lines }: { lines: string[] } = unpacked('lines');
type Ranges = [first: number, last: number][];
interface Golden {
  files: string[];
  cases: Case[];
  unicode: Record<'decomposed' | 'ordered' | 'stripped', Ranges>;
}
const { files, cases, unicode }: Golden = unpacked('models');
const WHOLE = 1_000_000;

const root = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-models-'));
afterAll(() => fs.rmSync(root, { recursive: true }));

function folderOf(named: Record<string, number>): string {
  const folder = fs.mkdtempSync(path.join(root, 'model-'));
  for (const [name, at] of Object.entries(named)) {
    const bytes = Buffer.from(files[at], name.endsWith('.model') ? 'base64' : 'utf8');
    fs.writeFileSync(path.join(folder, name), bytes);
  }
  return folder;
}

/** Differences, few enough to read. */
function differing<T>(texts: readonly string[], expected: readonly T[], found: (text: string) => T) {
  expect(expected).toHaveLength(texts.length);
  const wrong = texts
    .map((text, i) => ({ text, found: found(text), expected: expected[i] }))
    .filter((row) => JSON.stringify(row.found) !== JSON.stringify(row.expected));
  return { count: wrong.length, first: wrong.slice(0, 2) };
}
const NONE = { count: 0, first: [] };

describe.each(cases)('$name', ({ files: named, ids, pairs }) => {
  test('the ids of a thousand lines, and of pairs', () => {
    const tokenizer = loadTokenizer(folderOf(named));
    const alone = (text: string) => Array.from(tokenizer.encode(text, undefined, WHOLE).ids);
    if (ids) expect(differing(lines, ids, alone)).toEqual(NONE);
    const row = (text: string): Row => {
      const pair = tokenizer.encode(text, 'sea', WHOLE);
      return [alone(text), Array.from(pair.ids), Array.from(pair.typeIds)];
    };
    expect(
      differing(
        lines.filter((_, i) => i % 20 === 0),
        pairs,
        row,
      ),
    ).toEqual(NONE);
  });
});

test.each<[keyof Golden['unicode'], (character: string) => boolean]>([
  ['decomposed', (each) => normalForm(each, 'NFKD') !== each],
  [
    'ordered',
    (each) =>
      normalForm(`${each}\u0334`, 'NFD') === `\u0334${each}` || normalForm(`\u0345${each}`, 'NFD') === `${each}\u0345`,
  ],
  ['stripped', (each) => withoutMarks(each) === ''],
])('characters that are %s are those of the Rust library', (kind, has) => {
  const found: Ranges = [];
  for (let code = 0; code < 0x110000; code++) {
    if ((code >= 0xd800 && code < 0xe000) || !has(String.fromCodePoint(code))) continue;
    const last = found.at(-1);
    if (last && last[1] === code - 1) last[1] = code;
    else found.push([code, code]);
  }
  expect(found).toEqual(unicode[kind]);
});
