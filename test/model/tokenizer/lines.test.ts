import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import * as zlib from 'node:zlib';
import { loadTokenizer, type Tokenizer } from '../../../model/tokenizer';

/*
 * Token ids of a thousand lines with every kind of character, against Python's tokenizers.
 * make_tokenizer_lines.py makes and describes the files.
 */

const FOLDER = path.join(__dirname, '../../fixtures/tokenizer-lines');
const unpacked = (name: string) =>
  JSON.parse(zlib.gunzipSync(fs.readFileSync(path.join(FOLDER, `${name}.json.gz`))).toString('utf8'));

type Pair = [first: number, second: number | null, longest: number, left: boolean];
type Json = Record<string, unknown>;
interface Golden {
  lines: string[];
  pairs: Pair[];
  kinds: Record<string, { ids: number[][]; pairs: [ids: number[], typeIds: number[]][] }>;
  few: string[];
  variants: [kind: string, changes: Json, ids: number[][]][];
  files: string[];
  folders: [files: Record<string, number>, rows: [single: number[], pair: number[], typeIds: number[]][]][];
}
const golden: Golden = unpacked('lines.golden');
const WHOLE = 1_000_000;

const folders: string[] = [];
afterAll(() => folders.map((folder) => fs.rmSync(folder, { recursive: true })));

function loaded(files: Record<string, string>): Tokenizer {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-lines-'));
  folders.push(folder);
  for (const [name, text] of Object.entries(files)) fs.writeFileSync(path.join(folder, name), text);
  return loadTokenizer(folder);
}

/** Differences, few enough to read. */
function differing<T>(texts: readonly string[], expected: readonly T[], found: (text: string, i: number) => T) {
  expect(expected.length).toBe(texts.length);
  const wrong: { text: string; found: T; expected: T }[] = [];
  for (const [i, text] of texts.entries()) {
    const got = found(text, i);
    if (JSON.stringify(got) !== JSON.stringify(expected[i])) wrong.push({ text, found: got, expected: expected[i] });
  }
  return { count: wrong.length, first: wrong.slice(0, 3) };
}
const NONE = { count: 0, first: [] };

describe.each(['wordpiece', 'bpe', 'unigram'])('%s', (kind) => {
  const json = unpacked(kind);
  const right = loaded({ 'tokenizer.json': JSON.stringify(json) });
  const left = loaded({
    'tokenizer.json': JSON.stringify(json),
    'tokenizer_config.json': JSON.stringify({ truncation_side: 'left' }),
  });
  const { ids, pairs } = golden.kinds[kind];

  test('the ids of a thousand lines', () => {
    expect(golden.lines.length).toBeGreaterThanOrEqual(1000);
    expect(differing(golden.lines, ids, (text) => right.encode(text, undefined, WHOLE).ids)).toEqual(NONE);
  });

  test('pairs and single texts, truncated on either side', () => {
    const texts = golden.pairs.map(([first]) => golden.lines[first]);
    const found = (text: string, i: number): [number[], number[]] => {
      const [, second, longest, fromLeft] = golden.pairs[i];
      const pair = second === null ? undefined : golden.lines[second];
      const { ids, typeIds } = (fromLeft ? left : right).encode(text, pair, longest);
      return [Array.from(ids), Array.from(typeIds)];
    };
    expect(differing(texts, pairs, found)).toEqual(NONE);
  });

  test('ids are below the size of the vocabulary', () => {
    const highest = Math.max(...ids.flat());
    expect(right.vocabSize).toBeGreaterThan(highest);
    expect(right.vocabSize).toBe(
      1 +
        Math.max(
          highest,
          ...json.added_tokens.map(({ id }: { id: number }) => id),
          Object.keys(json.model.vocab).length - 1,
        ),
    );
  });
});

describe('other settings of tokenizer.json', () => {
  const cases = golden.variants.map(([kind, changes, ids], i) => ({
    name: `${i}: ${kind}, ${Object.keys(changes)}`,
    kind,
    changes,
    ids,
  }));
  test.each(cases)('$name', ({ kind, changes, ids }) => {
    const json = unpacked(kind);
    const own = (value: unknown) =>
      JSON.parse(JSON.stringify(value), (_, each) => (each === 'own' ? json.normalizer : each));
    const { more = [], ...model } = { ...json.model, ...(changes.model as Json | undefined) };
    const vocab = Array.isArray(model.vocab) ? [...model.vocab, ...more] : model.vocab;
    const tokenizer = loaded({
      'tokenizer.json': JSON.stringify({ ...json, ...own(changes), model: { ...model, vocab } }),
    });
    expect(differing(golden.few, ids, (text) => tokenizer.encode(text, undefined, WHOLE).ids)).toEqual(NONE);
  });
});

describe('older files', () => {
  test.each(golden.folders.map(([files, rows], i) => ({ name: `${i}: ${Object.keys(files)}`, files, rows })))(
    '$name',
    ({ files, rows }) => {
      const contents = Object.entries(files).map(([name, at]) => [name, golden.files[at]]);
      const tokenizer = loaded(Object.fromEntries(contents));
      const texts = golden.few.filter((_, i) => i % 2 === 0);
      const found = (text: string): [number[], number[], number[]] => {
        const pair = tokenizer.encode(text, 'sea', WHOLE);
        const single = tokenizer.encode(text, undefined, WHOLE);
        return [Array.from(single.ids), Array.from(pair.ids), Array.from(pair.typeIds)];
      };
      expect(differing(texts, rows, found)).toEqual(NONE);
    },
  );
});
