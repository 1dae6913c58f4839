import { invalidInput } from '../foundation/errors';
import type { Column } from './columns';
import { type Dataset, rowName } from './dataset';
import { inLabelColumn, type LabelReading, labelsOf, listOf, sortNames } from './label-reading';
import type { RowCells } from './row-cells';

/** Labels of the problem `tokens`: a tag per word. A target has the class index of each tag. */
export const WORD_LABELS: LabelReading = {
  named: true,
  several: false,
  pairs: false,
  words: true,
  read: tagsOf,
  names: tagNames,
  encode,
  strata: (targets: ArrayLike<Int32Array>) => ({ of: rarestTags(targets) }),
  described: ({ length }) => `${length} tags`,
};

/** Items of a cell: those of a list, or the parts of a text between white space. */
const itemsOf = (cells: RowCells, column: Column): readonly string[] =>
  cells.record.list?.(column.at) ?? cells.text(column, true).match(/\S+/g) ?? [];

/**
 * Words of a row: a list, or the parts of a text that has tags. Undefined for a text without tags:
 * nobody has given its words.
 * @throws HifiError INVALID_INPUT for a row without words
 */
export function wordsOf(cells: RowCells, mayBeEmpty: boolean): readonly string[] | undefined {
  const { texts, labels } = cells.layout;
  const [column] = texts;
  const words = labels.length > 0 ? itemsOf(cells, column) : cells.record.list?.(column.at);
  if (words && !mayBeEmpty && words.every((word) => word.trim() === '')) {
    throw cells.refused(`has no word in the column "${column.name}"`);
  }
  return words;
}

function tagsOf(cells: RowCells): string[] {
  const [text] = cells.layout.texts;
  const [{ name, classes }] = cells.layout.labels;
  const words = itemsOf(cells, text);
  const tags = itemsOf(cells, cells.layout.labels[0]);
  if (tags.length !== words.length) {
    const found = `${tags.length} tag${tags.length === 1 ? '' : 's'} in the column "${name}"`;
    throw cells.refused(`has ${found} for the ${words.length} words in "${text.name}"; each word needs one tag`);
  }
  return tags.map((tag, at) => {
    const found = classes ? classes[Number(tag)] : tag.trim();
    if (found) return found;
    const right = classes ? `the schema has 0 to ${classes.length - 1}` : 'each word needs one';
    throw cells.refused(`has the tag "${tag}" for word ${at} (${shown(words[at])}) in the column "${name}"; ${right}`);
  });
}

function tagNames(train: Dataset): readonly string[] {
  const names = sortNames([...new Set((labelsOf(train) as string[][]).flat())]);
  if (names.length >= 2) return names;
  throw invalidInput(`${train.path}: the words of all ${train.rows} rows have the tag "${names[0]}"; two are needed`);
}

function encode(dataset: Dataset, names: readonly string[], owner: string): Int32Array[] {
  const indexOf = new Map(names.map((name, index) => [name, index]));
  return (labelsOf(dataset) as string[][]).map((tags, row) =>
    Int32Array.from(tags, (tag, at) => {
      const index = indexOf.get(tag);
      if (index !== undefined) return index;
      const word = `word ${at} (${shown(dataset.words?.[row]?.[at])})`;
      const place = `${word}${inLabelColumn(dataset)}`;
      throw invalidInput(`${rowName(dataset, row)} has the tag "${tag}" for ${place}; ${owner} ${listOf(names)}`);
    }),
  );
}

const shown = (word: string | undefined) => JSON.stringify(word);

/** Class of each row's tag that the fewest words have. // [n] */
export function rarestTags(targets: ArrayLike<Int32Array>): Int32Array {
  const counts = new Map<number, number>();
  for (const tags of Array.from(targets)) for (const tag of tags) counts.set(tag, (counts.get(tag) ?? 0) + 1);
  return Int32Array.from(targets, (tags) =>
    tags.reduce((rarest, tag) => (counts.get(tag)! < counts.get(rarest)! ? tag : rarest), tags[0]),
  );
}
