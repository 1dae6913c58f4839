import { invalidInput } from '../foundation/errors';
import type { Dataset } from './dataset';
import { isNumber, type Judgement, type LabelReading } from './label-reading';
import { labelText, numbers } from './number-labels';
import type { RowCells } from './row-cells';

/**
 * Labels of the problem `relevance`: how well a row's second text answers its first, 0 … 1. Rows
 * with the same first text are one query. Targets are judgements.
 */
export const RELEVANCE_LABELS: LabelReading = {
  named: false,
  several: false,
  pairs: true,
  read: relevanceText,
  names: () => [],
  encode: judgements,
  strata: (targets: ArrayLike<Judgement>) => {
    const all = Array.from(targets);
    const answered = new Set(all.filter(({ relevance }) => relevance > 0).map(({ query }) => query));
    return { of: all.map(({ query }) => (answered.has(query) ? 1 : 0)), units: all.map(({ query }) => query) };
  },
  described: () => 'a relevance',
};

const RIGHT = 'a relevance is a number from 0 to 1';
const isShare = (value: number) => value >= 0 && value <= 1;

function relevanceText(cells: RowCells): string {
  const label = labelText(cells);
  if (isNumber(label) && isShare(Number(label))) return label;
  throw cells.refused(`has ${JSON.stringify(label)} in the column "${cells.layout.labels[0].name}"; ${RIGHT}`);
}

function judgements(dataset: Dataset): Judgement[] {
  if (!dataset.seconds) throw invalidInput(`${dataset.path}: the problem relevance needs pairs; give two text columns`);
  const queries = new Map<string, number>();
  for (const text of dataset.texts) if (!queries.has(text)) queries.set(text, queries.size);
  const values = numbers(dataset, isShare, RIGHT);
  return Array.from(values, (relevance, row) => ({ query: queries.get(dataset.texts[row])!, relevance }));
}
