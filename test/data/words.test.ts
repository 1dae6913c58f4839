import * as fs from 'node:fs';
import * as path from 'node:path';
import * as zlib from 'node:zlib';
import { evaluationBatches } from '../../data/batches';
import type { DataSource } from '../../data/dataset';
import { encodeLabels, fitLabels } from '../../data/labels';
import { readDataset } from '../../data/read';
import { windowRows } from '../../data/windows';
import { type WindowOptions, windowOptions } from '../../data/word-windows';
import { plainWords } from '../../data/words';
import { readModelConfig } from '../../model/config';
import { loadTokenizer, type Tokenizer } from '../../model/tokenizer';
import { FIXTURES, temporaryFolder } from '../support/deltas';
import { asConll, asJsonLines, entityRows } from '../support/entity-rows';

const folder = temporaryFolder('words');
afterAll(() => fs.rmSync(folder, { recursive: true }));
let files = 0;

function source(content: string, extension: string, rest: Partial<DataSource> = {}): DataSource {
  const file = path.join(folder, `${files++}.${extension}`);
  fs.writeFileSync(file, content);
  const columns = extension === 'conll' ? {} : { textColumns: ['tokens'], labelColumn: 'tags' };
  return { path: file, ...columns, problem: 'tokens', ...rest };
}

describe('rows of words', () => {
  const rows = entityRows(5, 1);
  const joined = rows.map(({ tokens, tags }) => ({ tokens: tokens.join(' '), tags: tags.join(' ') }));
  const table = ['tokens\ttags', ...joined.map(({ tokens, tags }) => `${tokens}\t${tags}`)].join('\n');
  it.each([
    ['lists of JSON Lines', source(asJsonLines(rows), 'jsonl')],
    ['texts of JSON Lines', source(asJsonLines(joined), 'jsonl')],
    ['texts of TSV', source(table, 'tsv')],
    ['CoNLL', source(asConll(rows), 'conll')],
    [
      'CoNLL with spaces, CRLF, further columns and documents',
      source(`-DOCSTART- -X- O\r\n\r\n${asConll(rows).replaceAll('\t', ' NN _ ').replaceAll('\n', '\r\n')}`, 'conll'),
    ],
  ])('%s', async (_, given) => {
    const dataset = await readDataset(given, 'labels');
    expect(dataset.words).toEqual(rows.map(({ tokens }) => tokens));
    expect(dataset.labels).toEqual(rows.map(({ tags }) => tags));
    expect(dataset.texts).toEqual(joined.map(({ tokens }) => tokens));
    const labels = fitLabels(dataset);
    expect(encodeLabels(dataset, labels)).toEqual(
      rows.map(({ tags }) => Int32Array.from(tags, (tag) => labels.names.indexOf(tag))),
    );
  });

  it('without labels a list has words, a text has none', async () => {
    const { labelColumn: _, ...lists } = source(asJsonLines(rows), 'jsonl');
    expect((await readDataset(lists, 'texts')).words).toEqual(rows.map(({ tokens }) => tokens));
    const { labelColumn: __, ...texts } = source(asJsonLines(joined), 'jsonl');
    const dataset = await readDataset(texts, 'texts');
    expect([dataset.words, dataset.texts]).toEqual([rows.map(() => undefined), joined.map(({ tokens }) => tokens)]);
  });
});

describe('bad rows get one line', () => {
  const good = { tokens: ['a', 'b'], tags: ['O', 'B-x'] };
  const read = async (given: DataSource) => {
    const dataset = await readDataset(given, 'labels');
    return encodeLabels(dataset, { problem: 'tokens', names: ['B-x', 'O'] });
  };
  it.each<[string, DataSource, string]>([
    [
      'lists of unequal length',
      source(asJsonLines([good, { tokens: ['a', 'b', 'c'], tags: ['O'] }]), 'jsonl'),
      'row 1 (line 2) has 1 tag in the column "tags" for the 3 words in "tokens"; each word needs one tag',
    ],
    [
      'a tag that the training rows lack',
      source(asJsonLines([good, { tokens: ['a', 'Rome'], tags: ['O', 'B-y'] }]), 'jsonl'),
      'row 1 has the tag "B-y" for word 1 ("Rome") in the column "tags"; the training rows have "B-x", "O"',
    ],
    [
      'an empty tag',
      source(asJsonLines([{ tokens: ['a'], tags: [''] }]), 'jsonl'),
      'row 0 (line 1) has the tag "" for word 0 ("a") in the column "tags"; each word needs one',
    ],
    ['no words', source(asJsonLines([{ tokens: [], tags: [] }]), 'jsonl'), 'has no word in the column "tokens"'],
    [
      'a word without a tag in CoNLL',
      source('a\tO\nb\n', 'conll'),
      'line 2 ("b") has no tag, the words before it have one; each word of a sentence needs one',
    ],
    [
      'CoNLL for another problem',
      source('a\tO\n', 'conll', { problem: undefined }),
      'is a CoNLL file, which has a tag per word; give --problem tokens',
    ],
    [
      'two text columns',
      source(asJsonLines([good]), 'jsonl', { textColumns: ['tokens', 'more'] }),
      '2 text columns given (tokens, more); the problem tokens has one',
    ],
  ])('%s', async (_, given, message) => {
    const error = await read(given).catch((thrown: Error) => thrown);
    expect((error as Error).message).toBe(
      `${given.path}: ${message}`.replace(`${given.path}: has no`, `${given.path}: row 0 (line 1) has no`),
    );
  });

  it('one tag everywhere cannot be trained on', async () => {
    const dataset = await readDataset(source('a\tO\n\nb\tO\n', 'conll'), 'labels');
    expect(() => fitLabels(dataset)).toThrow('the words of all 2 rows have the tag "O"; two are needed');
  });
});

test('words of a plain text, with their places', () => {
  const text = 'Dr. Ångström’s 北京 trip, 5€!';
  const words = plainWords(text);
  expect(words.map((word) => word.text)).toEqual(['Dr', '.', 'Ångström', '’', 's', '北', '京', 'trip', ',', '5€', '!']);
  for (const { text: word, start, end } of words) expect(text.slice(start, end)).toBe(word);
  expect(plainWords(' \n')).toEqual([]);
});

describe('the token of a word that is asked', () => {
  const unpacked = (name: string) => {
    const file = path.join(FIXTURES, `tokenizer-lines/${name}.golden.json.gz`);
    return JSON.parse(zlib.gunzipSync(fs.readFileSync(file)).toString('utf8'));
  };
  /** Output of make_word_tokens_golden.py. */
  const golden: { rows: string[][]; cases: { name: string; ids: number[][]; first: number[][] }[] } = unpacked('words');
  const models: { files: string[]; cases: { name: string; files: Record<string, number> }[] } = unpacked('models');

  function tokenizerOf(name: string): Tokenizer {
    const at = fs.mkdtempSync(path.join(folder, 'tokenizer-'));
    for (const [file, index] of Object.entries(models.cases.find((each) => each.name === name)!.files)) {
      fs.writeFileSync(
        path.join(at, file),
        Buffer.from(models.files[index], file.endsWith('.model') ? 'base64' : 'utf8'),
      );
    }
    return loadTokenizer(at);
  }
  const datasetOf = (words: string[][]) => {
    const texts = words.map((row) => row.join(' '));
    return { path: '', sha256: '', texts, words, rows: words.length, skipped: 0, problem: 'tokens' as const };
  };
  const options = windowOptions({ maxLength: 1_000_000 });

  it.each(golden.cases)('of a decoder is the first that holds a part of it, against transformers ($name)', (each) => {
    const tokenizer = tokenizerOf(each.name);
    const model = { vocabSize: tokenizer.vocabSize, typeVocabSize: 0, causal: true };
    const { windows } = windowRows(datasetOf(golden.rows), tokenizer, options, model);
    const found = windows.map(({ ids, asked }, row) => ({
      words: golden.rows[row],
      ids: Array.from(ids),
      asked: Array.from(asked!.at),
    }));
    const expected = golden.rows.map((words, row) => {
      const { ids, starts } = tokenizer.frame([each.ids[row]]);
      return { words, ids, asked: each.first[row].map((at) => starts[0] + at) };
    });
    expect(found).toEqual(expected);
  });

  it.each(['tiny-bert', 'tiny-roberta', 'tiny-xlm-roberta', 'tiny-deberta', 'tiny-mpnet', 'tiny-modernbert'])(
    'of an encoder is the first behind the one before it (%s)',
    (name) => {
      const model = path.join(FIXTURES, name);
      const tokenizer = loadTokenizer(model);
      const { windows } = windowRows(datasetOf(golden.rows), tokenizer, options, readModelConfig(model));
      for (const [row, words] of golden.rows.entries()) {
        const parts = words.map((word, i) => tokenizer.tokenIds(i === 0 ? word : ` ${word}`));
        const { ids, starts } = tokenizer.frame([parts.flat()]);
        expect(Array.from(windows[row].ids)).toEqual(ids);
        const firsts = parts.flatMap((part, i) =>
          part.length > 0 ? [starts[0] + parts.slice(0, i).flat().length] : [],
        );
        expect(Array.from(windows[row].asked!.at)).toEqual(firsts);
      }
    },
  );
});

describe('windows', () => {
  const tokenizer = loadTokenizer(path.join(FIXTURES, 'tiny-bert'));
  const limits = { vocabSize: tokenizer.vocabSize, typeVocabSize: 2 };
  const long = 'ab'.repeat(20);
  const windowed = (words: string[][], options: Partial<WindowOptions>) => {
    const texts = words.map((row) => row.join(' '));
    const dataset = { path: '', sha256: '', texts, words, rows: words.length, skipped: 0, problem: 'tokens' as const };
    return windowRows(dataset, tokenizer, windowOptions({ maxLength: 16, ...options }), limits);
  };
  const pieces = (word: string) => tokenizer.tokenIds(word);

  it('a row that fits is the words one after the other', () => {
    const words = ['a', 'cat', 'a'];
    const { windows, starts, words: firsts } = windowed([words, ['a']], {});
    expect([Array.from(starts), Array.from(firsts!)]).toEqual([
      [0, 1, 2],
      [0, 3, 4],
    ]);
    expect(Array.from(windows[0].ids)).toEqual(tokenizer.encode('a cat a', undefined, 16).ids);
    const at = [1, 1 + pieces('a').length, 1 + pieces('a').length + pieces('cat').length];
    expect([Array.from(windows[0].asked!.at), Array.from(windows[0].asked!.words)]).toEqual([at, [0, 1, 2]]);
  });

  it.each([0, 1, 5, 12])(
    'every word is asked once, at its first token, where it has most context (stride %i)',
    (stride) => {
      const words = Array.from({ length: 40 }, (_, i) =>
        i === 7 ? long : i === 20 ? '\u200d' : ['a', 'cat', 'the'][i % 3],
      );
      const flat = words.flatMap((word) => [...pieces(word)]);
      const first = words.map((_, i) => words.slice(0, i).reduce((sum, word) => sum + pieces(word).length, 0));
      const { windows } = windowed([words], { longTexts: 'windows', stride });
      const room = 14;
      const found = new Map<number, [window: number, at: number]>();
      windows.forEach(({ ids, asked }, window) => {
        const from = window * (room - stride);
        expect(Array.from(ids.subarray(1, -1))).toEqual(flat.slice(from, from + room));
        asked!.words.forEach((word, i) => {
          expect(found.has(word)).toBe(false);
          found.set(word, [window, asked!.at[i]]);
          expect(from + asked!.at[i] - 1).toBe(first[word]);
        });
      });
      expect([...found.keys()].sort((a, b) => a - b)).toEqual(
        words.flatMap((word, i) => (pieces(word).length > 0 ? [i] : [])),
      );
      for (const [word, [chosen]] of found) {
        const context = (window: number) => {
          const [from, to] = [window * (room - stride), Math.min(flat.length, window * (room - stride) + room)];
          if (first[word] < from || first[word] >= to) return Number.NEGATIVE_INFINITY;
          return Math.min(first[word] - from, to - first[word] - pieces(words[word]).length);
        };
        expect(context(chosen)).toBe(Math.max(...windows.map((_, window) => context(window))));
      }
    },
  );

  it('a cut row leaves out the words behind the cut', () => {
    const words = Array.from({ length: 30 }, () => 'cat');
    const { windows } = windowed([words], {});
    expect(windows).toHaveLength(1);
    expect(windows[0].asked!.words).toHaveLength(Math.ceil(14 / pieces('cat').length));
  });

  it('a text of 3,000 words is read in batches of windows, up to its last word', () => {
    const options = { maxLength: 64, longTexts: 'windows' as const, stride: 20 };
    const { windows } = windowed([Array.from({ length: 3000 }, (_, i) => ['a', 'cat', 'the'][i % 3])], options);
    expect(windows.length).toBeGreaterThan(3000 / 62);
    const lengths = windows.map(({ ids }) => ids.length);
    expect(Math.max(...lengths)).toBe(64);
    const asked = windows.flatMap((window) => Array.from(window.asked!.words)).sort((a, b) => a - b);
    expect(asked).toEqual(Array.from({ length: 3000 }, (_, word) => word));
    // The engine holds one batch at a time.
    const batches = evaluationBatches(lengths, 8).map(({ length }) => length);
    expect(Math.max(...batches)).toBe(8);
  });

  it('a stride that leaves no step is refused', () => {
    expect(() => windowed([['a']], { longTexts: 'windows', stride: 14 })).toThrow('stride is 14; it must be below 14');
  });
});
