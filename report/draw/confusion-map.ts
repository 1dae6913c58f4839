import { gridMap } from './grid-map';

/** Confusion matrix, drawn with the shares of each row. */
export interface ConfusionMap {
  title: string;
  /** Names of the rows and columns. */
  names: readonly string[];
  /** Counts by the right label (row) and the predicted one (column); null: none is possible. */
  matrix: readonly (readonly (number | null)[])[];
  /** Full text about a cell. */
  tip: (row: number, column: number) => string;
}

/** Widest row label and widest column, in pixels. */
const WIDEST_LABEL = 170;
const WIDEST_COLUMN = 110;
/** Width of a character, and the least width of a cell. */
const CHARACTER = 6.2;
const LEAST = 42;
/** Width of all columns with their names; wider ones have numbers. */
const ROOM = 660;

/** Draws a confusion matrix: the right labels downwards, the predicted ones to the right. */
export function confusionMap({ title, names, matrix, tip }: ConfusionMap): string {
  const widest = Math.max(...names.map((name) => CHARACTER * name.length + 14));
  const width = Math.max(LEAST, Math.min(WIDEST_COLUMN, widest));
  const named = width * names.length <= ROOM;
  const fitting = (name: string, pixels: number) => {
    const most = Math.floor((pixels - 8) / CHARACTER);
    return name.length <= most
      ? name
      : `${Array.from(name)
          .slice(0, most - 1)
          .join('')}…`;
  };
  const rows = names.map((name, i) => fitting(named ? name : `${i + 1} ${name}`, WIDEST_LABEL));
  const sums = matrix.map((row) => row.reduce<number>((sum, count) => sum + (count ?? 0), 0));
  return gridMap({
    title,
    rows: { name: 'label ↓', labels: rows },
    columns: {
      name: `predicted →${named ? '' : ', by number'}`,
      labels: names.map((name, i) => (named ? fitting(name, width) : String(i + 1))),
    },
    values: matrix.map((row, i) => row.map((count) => (count === null ? null : count / Math.max(1, sums[i])))),
    text: (share) => `${Math.round(100 * share)} %`,
    tip,
    attributes: (row, column) => `data-at="${row}.${column}"`,
    chosen: (row, column) => row === column,
    key: 'right',
    scale: [0, 1],
    cell: { width: named ? width : LEAST, height: 26 },
    left: Math.max(54, Math.min(WIDEST_LABEL, Math.max(...rows.map((name) => CHARACTER * name.length + 16)))),
    labelled: true,
  });
}
