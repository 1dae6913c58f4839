import { invalidInput } from '../foundation/errors';
import type { NamedFile } from './bytes';
import { eachLine, lineBlocks } from './lines';
import type { Pass, Records, TableRecord } from './records';

/** Names of the columns of a CoNLL file. */
export const CONLL_COLUMNS = { words: 'tokens', tags: 'tags' };

/** Line that separates documents (CoNLL-2003). It is no word. */
const DOCUMENT_START = '-DOCSTART-';

/**
 * Reads the sentences of a CoNLL file: one word per line, a blank line between sentences. The word
 * is a line's first column and its tag the last; columns are separated by tabs, or by spaces in a
 * line without tabs. The first record has the columns' names.
 * @throws HifiError INVALID_INPUT if the file is unreadable or not UTF-8, or if some words of a
 *   sentence have a tag and others have none (with the line)
 */
export async function* conllRecords(source: NamedFile, { hash }: Pass): Records {
  let named = false;
  let sentence: Sentence | undefined;
  for await (const block of lineBlocks(source, hash)) {
    const records: TableRecord[] = [];
    eachLine(block, (line, start, end) => {
      const text = block.bytes.toString('utf8', start, end);
      if (text.trim() !== '' && !text.startsWith(DOCUMENT_START)) {
        if (!named) records.push(HEADER);
        named = true;
        sentence ??= new Sentence(source.path, line);
        sentence.add(text, line);
      } else if (sentence) {
        records.push(sentence);
        sentence = undefined;
      }
    });
    yield records;
  }
  if (sentence) yield [sentence];
}

const NAMES = [CONLL_COLUMNS.words, CONLL_COLUMNS.tags];
const HEADER: TableRecord = { width: NAMES.length, field: (index) => NAMES[index] };

class Sentence implements TableRecord {
  readonly width = NAMES.length;
  private readonly words: string[] = [];
  private readonly tags: string[] = [];

  constructor(
    private readonly path: string,
    readonly line: number,
  ) {}

  add(text: string, line: number): void {
    const columns = text.includes('\t') ? text.split('\t') : text.trim().split(/ +/);
    const word = columns[0].trim();
    const tag = columns.length > 1 ? columns[columns.length - 1].trim() : '';
    if (word === '') throw invalidInput(`${this.path}: line ${line} has no word in its first column`);
    if (this.words.length > 0 && (tag !== '') !== this.tags.length > 0) {
      const has = tag === '' ? 'has no tag, the words before it have one' : 'has a tag, the words before it have none';
      throw invalidInput(
        `${this.path}: line ${line} (${JSON.stringify(word)}) ${has}; each word of a sentence needs one`,
      );
    }
    this.words.push(word);
    if (tag !== '') this.tags.push(tag);
  }

  field(index: number): string | undefined {
    return this.list(index)?.join(' ');
  }

  list(index: number): readonly string[] | undefined {
    if (index === 0) return this.words;
    return this.tags.length > 0 ? this.tags : undefined;
  }
}
