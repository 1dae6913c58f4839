import { create } from '@bufbuild/protobuf';
import type { GivenRows, InlineRows, RowsSource } from '../data/given-rows';
import { namedProblem, problemNamed } from '../data/problem';
import { taskNamed } from '../data/tasks';
import { HifiError, invalidPart, invalidValue, renamed, shown } from '../foundation/errors';
import { type InlineTexts, type TextDataset, TextDatasetSchema } from './gen/hifi/v1/dataset_pb';
import { present } from './matrix';

/** Largest number of rows in a request; more must be a file. */
const MOST_INLINE_ROWS = 100_000;
/** File name if the request gives none. */
const DEFAULT_NAME = 'rows.tsv';

/**
 * Checks the rows of a request, without reading them.
 *
 * @param field field of the rows in the request
 * @throws HifiError INVALID_INPUT naming the field, its value and what would be right
 */
export function givenRowsOf(message: TextDataset | undefined, field: string): GivenRows {
  const { source, textColumns, labelColumn, labelColumns, labelSeparator, regression, delimiter, ...given } = present(
    message,
    field,
  );
  const at = (part: string) => `${field}.${part}`;
  const rows = sourceOf(source, given.name, field);
  const task = given.task === undefined ? undefined : known(taskNamed, given.task, at('task'));
  const problem = given.problem === undefined ? undefined : known(problemNamed, given.problem, at('problem'));
  const named = known(namedProblem, { problem, regression }, at('regression'));
  if (task !== undefined || rows.kind === 'inline') {
    const who = task === undefined ? 'inline rows have' : `the task ${task} has`;
    if (textColumns.length > 0) throw without(at('text_columns'), textColumns.join(', '), who);
    if (labelColumn !== undefined) throw without(at('label_column'), labelColumn, who);
    if (labelColumns.length > 0) throw without(at('label_columns'), labelColumns.join(', '), who);
  }
  if (delimiter !== undefined && rows.kind === 'inline') {
    throw without(at('delimiter'), shown(delimiter), 'inline rows have');
  }
  if (task !== undefined && named !== undefined) {
    const [part, found] = problem === undefined ? ['regression', 'true'] : ['problem', problem];
    throw without(at(part), found, `the task ${task} has a problem and`);
  }
  if (textColumns.length > 2) {
    throw invalidPart(
      at('text_columns'),
      `${at('text_columns')} has ${textColumns.length} names; it must have one or two`,
    );
  }
  return {
    source: rows,
    ...(task !== undefined && { task }),
    ...(textColumns.length > 0 && { textColumns: [...textColumns] }),
    ...(labelColumn !== undefined && { labelColumn }),
    ...(labelColumns.length > 0 && { labelColumns: [...labelColumns] }),
    ...(labelSeparator !== undefined && { labelSeparator }),
    ...(problem !== undefined && { problem }),
    ...(regression !== undefined && { regression }),
    ...(delimiter !== undefined && { delimiter }),
  };
}

function sourceOf(source: TextDataset['source'], name: string | undefined, field: string): RowsSource {
  switch (source.case) {
    case 'path':
      if (source.value !== '') return { kind: 'path', path: source.value };
      throw invalidValue({ field: `${field}.path`, value: 'empty', expected: 'a file below a data root' });
    case 'artifact':
      return { kind: 'artifact', sha256: source.value, name: name ?? DEFAULT_NAME };
    case 'inline':
      return inlineOf(source.value, `${field}.inline`);
    case undefined:
      throw invalidPart(field, `${field} names no rows; it must have one of path, artifact and inline`);
  }
}

function inlineOf({ texts, secondTexts, labels }: InlineTexts, field: string): InlineRows {
  if (texts.length === 0)
    throw invalidPart(`${field}.texts`, `${field}.texts is empty; it must have at least one text`);
  if (texts.length > MOST_INLINE_ROWS) {
    const most = `it must have at most ${MOST_INLINE_ROWS}: upload more as a file`;
    throw invalidPart(`${field}.texts`, `${field}.texts has ${texts.length} texts; ${most}`);
  }
  const column = (values: string[], name: string) => {
    if (values.length === 0) return undefined;
    if (values.length === texts.length) return [...values];
    const found = `has ${values.length} entries, ${field}.texts has ${texts.length}`;
    throw invalidPart(`${field}.${name}`, `${field}.${name} ${found}; it must have as many, or none`);
  };
  const [seconds, given] = [column(secondTexts, 'second_texts'), column(labels, 'labels')];
  return {
    kind: 'inline',
    texts: [...texts],
    ...(seconds && { secondTexts: seconds }),
    ...(given && { labels: given }),
  };
}

/** @throws HifiError INVALID_INPUT naming the field, where `read` throws */
function known<Given, Value>(read: (given: Given) => Value, given: Given, field: string): Value {
  try {
    return read(given);
  } catch (thrown) {
    throw renamed(HifiError.from(thrown), field);
  }
}

const without = (field: string, found: string, who: string) =>
  invalidValue({ field, value: found, expected: `left out: ${who} columns of its own` });

export function datasetMessage({ source, ...rows }: GivenRows): TextDataset {
  const name = source.kind === 'artifact' ? { name: source.name } : {};
  return create(TextDatasetSchema, { ...rows, ...name, source: sourceMessage(source) });
}

function sourceMessage(source: RowsSource) {
  switch (source.kind) {
    case 'path':
      return { case: 'path', value: source.path } as const;
    case 'artifact':
      return { case: 'artifact', value: source.sha256 } as const;
    case 'inline': {
      const { texts, secondTexts = [], labels = [] } = source;
      return { case: 'inline', value: { texts, secondTexts, labels } } as const;
    }
  }
}
