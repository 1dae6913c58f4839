import type { Dataset } from './dataset';

/** Counts the rows whose texts are also those of a training row. */
export function duplicatesOf(train: Dataset, rows: Dataset): number {
  const key = ({ texts, seconds }: Dataset, row: number) => JSON.stringify([texts[row], seconds?.[row]]);
  const known = new Set(train.texts.map((_, row) => key(train, row)));
  return rows.texts.filter((_, row) => known.has(key(rows, row))).length;
}

/** Warning about dev rows that repeat training rows; none if there are no such rows. */
export function duplicateWarnings({ path }: Dataset, duplicates: number, devRows: number): string[] {
  if (duplicates === 0) return [];
  const have = duplicates === 1 ? 'has a text' : 'have texts';
  return [
    `${path}: ${duplicates} of the ${devRows} dev rows ${have} of the training rows; a high metric may come from them`,
  ];
}
