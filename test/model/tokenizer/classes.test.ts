import * as fs from 'node:fs';
import * as path from 'node:path';
import * as zlib from 'node:zlib';
import { byteLevelWords } from '../../../model/tokenizer/byte-level';
import { charsmap } from '../../../model/tokenizer/charsmap';

type Ranges = [first: number, last: number][];
/**
 * Classes of all code points in the Rust library; make_tokenizer_lines.py makes and describes it.
 */
const golden: Record<string, Ranges> & { maps: Record<string, string> } = JSON.parse(
  zlib
    .gunzipSync(fs.readFileSync(path.join(__dirname, '../../fixtures/tokenizer-lines/classes.golden.json.gz')))
    .toString('utf8'),
);
const EVERY: Ranges = [
  [0, 0xd7ff],
  [0xe000, 0x10ffff],
];

const joinsA = charsmap(golden.maps.joinsA);
const candidate = charsmap(golden.maps.candidates);

test.each<[string, Ranges, (character: string) => boolean]>([
  ['letter', EVERY, (character) => byteLevelWords(`a${character}`).length === 1],
  ['number', EVERY, (character) => byteLevelWords(`1${character}`).length === 1],
  ['extend', EVERY, (character) => joinsA(`a${character}`) === 'x'],
  ['apart', golden.candidates, (character) => candidate(`${character}\u0301`) === 'x\u0301'],
  ['before', golden.candidates, (character) => candidate(`${character}b`) === 'x'],
])('%s: the same of all code points as in the Rust library', (name, of, inClass) => {
  const expected = new Uint8Array(0x110000);
  for (const [first, last] of golden[name]) expected.fill(1, first, last + 1);
  const differing: string[] = [];
  for (const [first, last] of of) {
    for (let code = first; code <= last; code++) {
      if (inClass(String.fromCodePoint(code)) !== (expected[code] === 1)) differing.push(code.toString(16));
    }
  }
  expect(differing).toEqual([]);
});
