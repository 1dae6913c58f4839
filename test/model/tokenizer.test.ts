import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import * as fc from 'fast-check';
import { encodeRows } from '../../data/batches';
import { readDataset } from '../../data/read';
import { HifiError } from '../../foundation/errors';
import { loadTokenizer, longestFirst, type Tokenizer } from '../../model/tokenizer';

const FIXTURES = path.join(__dirname, '../fixtures');
const TINY = path.join(FIXTURES, 'tiny-wordpiece');

/** Row of make_tokenizer_golden.py; `longest` is the maximum length. */
type Row = [text: string, second: string | null, longest: number, ids: number[], typeIds: number[]];
const golden: Row[] = JSON.parse(fs.readFileSync(path.join(FIXTURES, 'tokenizer.golden.json'), 'utf8'));

describe('encode, against Python transformers', () => {
  const tokenizer = loadTokenizer(TINY);
  const differing = (rows: Row[]) =>
    rows
      .map(([text, second, longest, ids, typeIds]) => ({
        text,
        second,
        longest,
        found: tokenizer.encode(text, second ?? undefined, longest),
        expected: { ids, typeIds },
      }))
      .filter(({ found, expected }) => JSON.stringify(found) !== JSON.stringify(expected));

  test.each([
    ['single texts', (row: Row) => row[1] === null && row[2] === 128, 250],
    ['truncated single texts', (row: Row) => row[1] === null && row[2] < 128, 80],
    ['pairs, whole or truncated', (row: Row) => row[1] !== null, 400],
  ])('%s have the same ids and type ids', (_, which, atLeast) => {
    const rows = golden.filter(which);
    expect(rows.length).toBeGreaterThanOrEqual(atLeast);
    expect(differing(rows)).toEqual([]);
  });

  test('a final capital sigma is lower-cased like any other', () => {
    const last = tokenizer.encode('ΣΟΦΟΣ', undefined, 128);
    expect(last).toEqual(tokenizer.encode('σοφοσ', undefined, 128));
    expect(last).not.toEqual(tokenizer.encode('σοφος', undefined, 128));
  });

  test('an empty second text makes a pair', () => {
    expect(tokenizer.encode('the sea', '', 128).typeIds.at(-1)).toBe(1);
    expect(tokenizer.encode('the sea', undefined, 128).typeIds).not.toContain(1);
  });

  test('the size of the vocabulary', () => {
    const { model } = JSON.parse(fs.readFileSync(path.join(TINY, 'tokenizer.json'), 'utf8'));
    expect(tokenizer.vocabSize).toBe(Object.keys(model.vocab).length);
  });

  test('a limit without room for the special tokens is refused', () => {
    expect(tokenizer.encode('the', 'sea', 3).ids).toHaveLength(3);
    expect(() => tokenizer.encode('the', 'sea', 2)).toThrow('maxLength is 2; it must be 3 or more');
    expect(() => tokenizer.encode('the', undefined, 1)).toThrow('maxLength is 1; it must be 2 or more');
  });
});

describe('longestFirst', () => {
  /** Definition: while there are too many tokens, take one from the longer text. */
  const oneByOne = ([a, b]: number[], room: number) => {
    while (a + b > room) a > b ? a-- : b--;
    return a + b;
  };

  test('keeps as many tokens as fit and truncates the longer text', () => {
    const length = fc.nat(300);
    fc.assert(
      fc.property(length, length, fc.nat(400), (first, second, room) => {
        const [a, b] = longestFirst([first, second], room);
        expect(a + b).toBe(oneByOne([first, second], room));
        expect(a).toBeLessThanOrEqual(first);
        expect(b).toBeLessThanOrEqual(second);
        if (a < first && b < second) expect(Math.abs(a - b)).toBeLessThanOrEqual(1);
        if (a < first && b === second) expect(a).toBeGreaterThanOrEqual(b - 1);
        if (b < second && a === first) expect(b).toBeGreaterThanOrEqual(a - 1);
      }),
    );
  });
});

describe('settings of other tokenizers', () => {
  /** Parts of tokenizer.json that the tests change. */
  type Settings = Record<'truncation' | 'padding' | 'post_processor' | 'normalizer', object>;
  const withSettings = (change: (tokenizer: Settings) => void, config: object = {}) => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-tokenizer-'));
    const tokenizer = JSON.parse(fs.readFileSync(path.join(TINY, 'tokenizer.json'), 'utf8'));
    change(tokenizer);
    fs.writeFileSync(path.join(folder, 'tokenizer.json'), JSON.stringify(tokenizer));
    fs.writeFileSync(path.join(folder, 'tokenizer_config.json'), JSON.stringify(config));
    return loadTokenizer(folder);
  };

  test('truncation and padding in tokenizer.json are ignored', () => {
    const tokenizer = withSettings((json) => {
      json.truncation = { direction: 'Right', max_length: 4, strategy: 'LongestFirst', stride: 0 };
      json.padding = { strategy: { Fixed: 64 }, direction: 'Right', pad_id: 0, pad_type_id: 0, pad_token: '[PAD]' };
    });
    expect(tokenizer.encode('the sea shells', undefined, 128)).toEqual(
      loadTokenizer(TINY).encode('the sea shells', undefined, 128),
    );
  });

  test('BertProcessing has the same frames as the template', () => {
    const tokenizer = withSettings((json) => {
      json.post_processor = { type: 'BertProcessing', sep: ['[SEP]', 3], cls: ['[CLS]', 2] };
    });
    const plain = loadTokenizer(TINY);
    for (const second of [undefined, '', 'sea shells']) {
      expect(tokenizer.encode('the heads', second, 6)).toEqual(plain.encode('the heads', second, 6));
    }
  });

  test('truncation_side left keeps the end of a text', () => {
    const whole = loadTokenizer(TINY).encode('she sells sea shells', undefined, 128).ids;
    const cut = withSettings(() => {}, { truncation_side: 'left' }).encode('she sells sea shells', undefined, 4).ids;
    expect(cut).toEqual([whole[0], ...whole.slice(-3)]);
  });

  test('a cased tokenizer keeps case and accents', () => {
    const cased = withSettings((json) => {
      json.normalizer = { ...json.normalizer, lowercase: false };
    });
    const plain = loadTokenizer(TINY);
    expect(cased.encode('shells', undefined, 9)).toEqual(plain.encode('shells', undefined, 9));
    expect(cased.encode('SHELLS', undefined, 9)).not.toEqual(plain.encode('SHELLS', undefined, 9));
  });

  test("tokenizer_config.json takes precedence over tokenizer.json for BERT's tokenizer, as in transformers", () => {
    const cased = withSettings((json) => {
      json.normalizer = { ...json.normalizer, lowercase: false };
    });
    const ids = (tokenizer: Tokenizer) => tokenizer.encode('The SHELLS', undefined, 9).ids;
    expect(ids(withSettings(() => {}, { do_lower_case: false }))).toEqual(ids(cased));
    expect(ids(withSettings(() => {}, { do_lower_case: false, tokenizer_class: 'PreTrainedTokenizerFast' }))).toEqual(
      ids(loadTokenizer(TINY)),
    );
    const accents = withSettings(() => {}, { strip_accents: false });
    expect(accents.encode('café', undefined, 9)).not.toEqual(loadTokenizer(TINY).encode('café', undefined, 9));
    const chinese = withSettings(() => {}, { tokenize_chinese_chars: false });
    expect(chinese.encode('中文', undefined, 9)).not.toEqual(loadTokenizer(TINY).encode('中文', undefined, 9));
  });
});

describe('families with one segment or none', () => {
  test.each(['tiny-bpe', 'tiny-unigram'])('%s: pairs have one segment, and rows can be read', async (name) => {
    const tokenizer = loadTokenizer(path.join(FIXTURES, name));
    const file = path.join(FIXTURES, 'tiny-data/pairs.tsv');
    const pairs = await readDataset({ path: file, textColumns: ['text_a', 'text_b'] }, 'texts');
    const rows = encodeRows(pairs, [0, 1, 2], tokenizer, 32, { vocabSize: tokenizer.vocabSize, typeVocabSize: 1 });
    const [bos, eos] = [0, 2];
    for (const { ids, typeIds } of rows) {
      expect(new Set(typeIds)).toEqual(new Set([0]));
      const second = ids.indexOf(eos) + 1;
      expect([ids[0], ids[second], ids.at(-1)]).toEqual([bos, eos, eos]); // <s> A </s></s> B </s>
    }
  });
});

describe('broken folders', () => {
  const folderWith = (files: Record<string, string>) => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-tokenizer-'));
    for (const [name, text] of Object.entries(files)) fs.writeFileSync(path.join(folder, name), text);
    return folder;
  };
  const whole = fs.readFileSync(path.join(TINY, 'tokenizer.json'), 'utf8');
  const changed = (change: object) => JSON.stringify({ ...JSON.parse(whole), ...change });

  test.each([
    ['no file', {}, 'tokenizer.json: no such file'],
    ['an empty file', { 'tokenizer.json': '' }, 'tokenizer.json: is empty'],
    ['half of a file', { 'tokenizer.json': whole.slice(0, whole.length / 2) }, 'tokenizer.json: is not JSON'],
    ['another kind of JSON', { 'tokenizer.json': '[1]' }, 'tokenizer.json: holds [1]; expected a JSON object'],
    ['an empty object', { 'tokenizer.json': '{}' }, 'tokenizer.json: the tokenizer cannot be used'],
    ['an unknown model', { 'tokenizer.json': changed({ model: { type: 'Magic' } }) }, 'the tokenizer cannot be used'],
    ['no model', { 'tokenizer.json': changed({ model: null }) }, 'the tokenizer cannot be used'],
    ['no list of added tokens', { 'tokenizer.json': changed({ added_tokens: 3 }) }, 'the tokenizer cannot be used'],
    [
      'an empty vocabulary',
      { 'tokenizer.json': changed({ added_tokens: [], model: { type: 'WordPiece', unk_token: '[UNK]', vocab: {} } }) },
      'unk_token "[UNK]" is no token of vocab',
    ],
    [
      'a frame of unknown tokens',
      {
        'tokenizer.json': changed({
          added_tokens: [],
          model: { type: 'WordPiece', unk_token: '[UNK]', vocab: { '[UNK]': 0 } },
        }),
      },
      'post_processor adds "[CLS]"; it must be a token of the vocabulary',
    ],
    [
      'an unknown pre-tokenizer',
      { 'tokenizer.json': changed({ pre_tokenizer: { type: 'Digits', individual_digits: true } }) },
      'its pre_tokenizer is of the kind "Digits"; supported: BertPreTokenizer, ByteLevel',
    ],
    [
      'an unknown normalizer',
      { 'tokenizer.json': changed({ normalizer: { type: 'Sequence', normalizers: [{ type: 'Nmt' }] } }) },
      'its normalizer is of the kind "Nmt"; supported: BertNormalizer, Precompiled',
    ],
    [
      'half of a character map',
      { 'tokenizer.json': changed({ normalizer: { type: 'Precompiled', precompiled_charsmap: 'AAAAAA==' } }) },
      'precompiled_charsmap is no character map',
    ],
    [
      'a merge of an unknown token',
      { 'tokenizer.json': changed({ model: { type: 'BPE', vocab: { a: 0, b: 1 }, merges: ['a b'] } }) },
      'merges use "ab", which is no token of vocab',
    ],
    [
      'a merge of one token',
      { 'tokenizer.json': changed({ model: { type: 'BPE', vocab: { a: 0, b: 1 }, merges: ['ab'] } }) },
      'merges[0] is no pair of tokens',
    ],
    [
      'a model with dropout',
      { 'tokenizer.json': changed({ model: { type: 'BPE', vocab: {}, merges: [], dropout: 0.1 } }) },
      'dropout',
    ],
    [
      'a piece without a score',
      { 'tokenizer.json': changed({ model: { type: 'Unigram', unk_id: 0, vocab: [['<unk>', 0], ['a']] } }) },
      'vocab[1] is no [piece, score]',
    ],
    [
      'no id of the unknown piece',
      { 'tokenizer.json': changed({ model: { type: 'Unigram', unk_id: null, vocab: [['a', 0]] } }) },
      'unk_id is missing; characters without a piece need one',
    ],
    ['no pieces', { 'tokenizer.json': changed({ model: { type: 'Unigram', unk_id: 0, vocab: [] } }) }, 'unk_id is 0'],
    [
      'the vocabulary of another class',
      { 'vocab.txt': 'a', 'tokenizer_config.json': '{"tokenizer_class": "BertJapaneseTokenizer"}' },
      'vocab.txt: tokenizer_class is "BertJapaneseTokenizer", which needs its tokenizer.json',
    ],
    ['an empty vocab.txt', { 'vocab.txt': '' }, 'vocab.txt: the tokenizer cannot be used'],
    ['vocab.json alone', { 'vocab.json': '{}' }, 'tokenizer.json: no such file; a model folder holds'],
    [
      'half of a SentencePiece model',
      { 'spm.model': '\n\u0007' },
      'spm.model: is no SentencePiece model (premature EOF)',
    ],
    [
      'another SentencePiece file',
      { 'tokenizer.model': '\u0018\u0001' },
      'is no SentencePiece model (it has no pieces)',
    ],
    [
      'a SentencePiece model of no class',
      { 'spiece.model': '' },
      'spiece.model: tokenizer_class is in no config file; it needs its tokenizer.json',
    ],
    [
      'a SentencePiece model of another class',
      { 'spiece.model': '', 'tokenizer_config.json': '{"tokenizer_class": "XLNetTokenizer"}' },
      'spiece.model: tokenizer_class is "XLNetTokenizer", which needs its tokenizer.json',
    ],
    [
      'a broken config',
      { 'tokenizer.json': whole, 'tokenizer_config.json': '{' },
      'tokenizer_config.json: is not JSON',
    ],
  ])('%s is reported in one line with the file', (_, files, message) => {
    const folder = folderWith(files as unknown as Record<string, string>);
    let thrown: unknown;
    try {
      loadTokenizer(folder);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(HifiError);
    const { code, message: found } = thrown as HifiError;
    expect(code).toBe('INVALID_INPUT');
    expect(found).toContain(message);
    expect(found).toContain(folder);
    expect(found).not.toContain('\n');
  });
});
