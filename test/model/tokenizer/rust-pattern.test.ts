import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import * as zlib from 'node:zlib';
import { loadTokenizer } from '../../../model/tokenizer';
import { normalizer } from '../../../model/tokenizer/normalizer';
import { preTokenizer } from '../../../model/tokenizer/pre-tokenizer';
import { expressionOf } from '../../../model/tokenizer/rust-pattern';

/*
 * Added tokens and patterns against Python's tokenizers. make_tokenizer_patterns.py makes and
 * describes the golden file.
 */

type Pattern = { Regex: string } | { String: string };
type Ranges = [first: number, last: number][];
const golden: {
  tokenizer: object;
  added: [normalizer: object | null, tokens: { content: string }[], rows: [text: string, ids: number[]][]][];
  replaced: [Pattern, string[]][];
  split: [Pattern, behavior: string, invert: boolean, pieces: string[][]][];
  texts: string[];
  classes: [string, Ranges][];
} = JSON.parse(
  zlib
    .gunzipSync(fs.readFileSync(path.join(__dirname, '../../fixtures/tokenizer-lines/patterns.golden.json.gz')))
    .toString('utf8'),
);

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-patterns-'));
afterAll(() => fs.rmSync(folder, { recursive: true }));

/**
 * Patterns that match the empty text somewhere: JavaScript and Oniguruma continue after such a
 * match in different ways.
 */
const refused = (pattern: Pattern) => 'Regex' in pattern && ['a|', 'x*'].includes(pattern.Regex);

test('added tokens of every printable ASCII character, in each variant', () => {
  expect(golden.added.length).toBeGreaterThanOrEqual(96);
  const wrong: unknown[] = [];
  for (const [normalizer, tokens, rows] of golden.added) {
    const json = { ...golden.tokenizer, normalizer, added_tokens: tokens };
    fs.writeFileSync(path.join(folder, 'tokenizer.json'), JSON.stringify(json));
    const tokenizer = loadTokenizer(folder);
    for (const [text, ids] of rows) {
      const found = Array.from(tokenizer.encode(text, undefined, 1000).ids);
      if (String(found) !== String(ids)) wrong.push({ text, ids, found, normalizer, token: tokens[0] });
    }
  }
  expect({ count: wrong.length, first: wrong.slice(0, 3) }).toEqual({ count: 0, first: [] });
});

test('Replace gives the same texts as the library', () => {
  const wrong: unknown[] = [];
  for (const [pattern, expected] of golden.replaced) {
    if (refused(pattern)) continue;
    const replace = normalizer({ type: 'Replace', pattern, content: '<>' });
    for (const [i, text] of golden.texts.entries())
      if (replace(text) !== expected[i]) wrong.push({ pattern, text, expected: expected[i], found: replace(text) });
  }
  expect({ count: wrong.length, first: wrong.slice(0, 5) }).toEqual({ count: 0, first: [] });
});

test('Split gives the same pieces as the library, in each behavior', () => {
  const wrong: unknown[] = [];
  for (const [pattern, behavior, invert, expected] of golden.split) {
    if (refused(pattern)) continue;
    const split = preTokenizer({ type: 'Split', pattern, behavior, invert });
    for (const [i, text] of golden.texts.entries()) {
      const found = split(text, true);
      if (JSON.stringify(found) !== JSON.stringify(expected[i]))
        wrong.push({ pattern, behavior, invert, text, expected: expected[i], found });
    }
  }
  expect({ count: wrong.length, first: wrong.slice(0, 5) }).toEqual({ count: 0, first: [] });
});

test('classes have the same code points as in the library', () => {
  const codes = Array.from({ length: 0x110000 }, (_, code) => code).filter((code) => code < 0xd800 || code >= 0xe000);
  const all = codes.map((code) => String.fromCodePoint(code)).join('');
  for (const [source, expected] of golden.classes) {
    const found: Ranges = [];
    for (const [run] of all.matchAll(expressionOf({ Regex: `(?:${source})+` }))) {
      const [first, last] = [
        run.codePointAt(0)!,
        run.codePointAt(run.length - (lowSurrogate(run.charCodeAt(run.length - 1)) ? 2 : 1))!,
      ];
      // A lone surrogate is not text: a run across it is two runs.
      if (first < 0xd800 && last >= 0xe000) found.push([first, 0xd7ff], [0xe000, last]);
      else found.push([first, last]);
    }
    expect([source, found]).toEqual([source, expected]);
  }
});

const lowSurrogate = (unit: number) => unit >= 0xdc00 && unit < 0xe000;

test.each([
  ['a|', 'a match of the empty text'],
  [String.raw`(a)\1`, String.raw`"\1"`],
  [String.raw`\R`, String.raw`"\R"`],
  [String.raw`a\Kb`, String.raw`"\K"`],
  [String.raw`\p{Cn}`, String.raw`"\p{Cn}"`],
  [String.raw`\p{Emoji}`, String.raw`"\p{Emoji}"`],
  [String.raw`[\R]`, String.raw`"\R" in a class`],
  ['(?i)a', '"(?i"'],
  ['(?m:.)', '"(?m"'],
  ['(?~abc)', '"(?~"'],
  ['(?i:ss)', '"ss" in (?i:…)'],
  ['(?i:é)', '"é" in (?i:…)'],
  ['(?i:[a-z])', 'a range in (?i:…)'],
  ['(?<=a++)b', 'an atomic or possessive part in a look-behind'],
  ['a{2}+', '"{2}+"'],
  ['a{2}?', '"{2}?"'],
  ['a+*', 'a quantifier after a quantifier'],
  ['(a*)+', '"+" after what can match the empty text'],
  ['*a', '"*" without anything before it'],
  ['(a', '"(" without ")"'],
  ['a)', '")" without "("'],
  ['[a', 'an end within a construct'],
  ['[]', '"[]"'],
  ['[z-a]', 'the range z-a'],
  ['[[:graph:]]', '"[:graph:]"'],
  ['a\\', 'an end within a construct'],
])('%s is refused with the name of its construct', (pattern, construct) => {
  expect(() => expressionOf({ Regex: pattern })).toThrow(
    `the pattern ${JSON.stringify(pattern)} has ${construct}, which is not supported`,
  );
});

test('the message names tokenizer.json, the pattern and the construct, on one line', () => {
  const normalizer = { type: 'Replace', pattern: { Regex: String.raw`\X+` }, content: '' };
  fs.writeFileSync(path.join(folder, 'tokenizer.json'), JSON.stringify({ ...golden.tokenizer, normalizer }));
  expect(() => loadTokenizer(folder)).toThrow(
    `${folder}/tokenizer.json: the tokenizer cannot be used (the pattern "\\\\X+" has "\\X", which is not supported)`,
  );
});
