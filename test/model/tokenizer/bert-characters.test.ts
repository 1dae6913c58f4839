import * as fs from 'node:fs';
import * as path from 'node:path';
import { BERT_WORDS, DROPPED, IDEOGRAPHS, MARKS, SPACES } from '../../../model/tokenizer/bert-characters';

/** Classes of all code points in the Rust library, as ranges; made by make_tokenizer_golden.py. */
const golden: Record<string, [first: number, last: number][]> = JSON.parse(
  fs.readFileSync(path.join(__dirname, '../../fixtures/unicode-classes.golden.json'), 'utf8'),
);

test.each<[string, (text: string) => boolean]>([
  ['dropped', (text) => text.replace(DROPPED, '') === ''],
  ['ideograph', (text) => text.replace(IDEOGRAPHS, '') === ''],
  ['mark', (text) => text.replace(MARKS, '') === ''],
  ['punctuation', (text) => `a${text}b`.match(BERT_WORDS)?.length === 3],
  ['space', (text) => text.replace(SPACES, '') === ''],
])('%s: the same of all code points as in the Rust library', (name, inClass) => {
  const expected = new Uint8Array(0x110000);
  for (const [first, last] of golden[name]) expected.fill(1, first, last + 1);
  const differing: string[] = [];
  for (let code = 0; code < 0x110000; code++) {
    if (code >= 0xd800 && code < 0xe000) continue; // A lone surrogate is not text.
    if (inClass(String.fromCodePoint(code)) !== (expected[code] === 1)) differing.push(code.toString(16));
  }
  expect(differing).toEqual([]);
});
