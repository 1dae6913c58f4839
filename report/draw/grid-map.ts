import { escapeXml } from './theme';

/** Axis of a map: its name with an arrow, and the labels of its rows or columns. */
export interface MapAxis {
  name: string;
  labels: readonly string[];
  /** Only every nth label is drawn. */
  every?: number;
}

/** One number per row and column, drawn in shades. */
export interface GridMap {
  title: string;
  rows: MapAxis;
  columns: MapAxis;
  /** Values; null: none. */
  values: readonly (readonly (number | null)[])[];
  /** Formats a value for cells and legend. */
  text: (value: number) => string;
  /** Full text about a cell. */
  tip: (row: number, column: number) => string;
  /** Attributes by which the page's script finds a cell. */
  attributes: (row: number, column: number) => string;
  /** True for outlined cells. */
  chosen: (row: number, column: number) => boolean;
  /** Meaning of an outline, if there is one. */
  key: string;
  /** Ends of the scale. Default: the least and greatest value. */
  scale?: readonly [least: number, most: number];
  /** Names of the values yes (1) and no (0). */
  yesNo?: readonly [yes: string, no: string];
  /** Size of a cell, in pixels. */
  cell: { width: number; height: number };
  /** Width of the rows' labels, in pixels. */
  left?: number;
  /** True: cells contain their values. */
  labelled: boolean;
}

/** Shades of the scale: q0 … q8 of the theme. */
const SHADES = 9;
/** Width in pixels below which values are smaller. */
const TIGHT = 34;
/** Width in pixels from which on values have room on a small screen. */
const ROOMY = 60;
const MARGIN = { left: 44, right: 8, top: 38, bottom: 34 };

/** Draws a map with its legend: a grid whose cells can be focused and show their values. */
export function gridMap(map: GridMap): string {
  const { title, rows, columns, values, text, tip, attributes, chosen, yesNo, cell, labelled } = map;
  const left = map.left ?? MARGIN.left;
  const flat = values.flat().filter((value) => value !== null);
  const [least, most] = map.scale ?? (flat.length > 0 ? [Math.min(...flat), Math.max(...flat)] : [0, 0]);
  const shade = (value: number) => {
    const place = most > least ? Math.min(1, Math.max(0, (value - least) / (most - least))) : 0;
    return Math.round(place * (SHADES - 1));
  };
  const middle = cell.height / 2 + 4;
  const lines = values.map((line, row) => {
    const y = MARGIN.top + row * cell.height;
    const cells = line.map((value, column) => {
      const outlined = chosen(row, column);
      const inset = outlined && !yesNo ? 2.5 : 1;
      const x = left + column * cell.width;
      const shown = labelled && (value === null || text(value) !== '');
      const fullText = shown && value !== null ? `${text(value)}: ${tip(row, column)}` : tip(row, column);
      const label = shown
        ? `<text class="middle" x="${x + cell.width / 2}" y="${y + middle}">${value === null ? '–' : escapeXml(text(value))}</text>`
        : '';
      return (
        `<g class="cell ${lookOf(value, outlined, yesNo, shade)}" role="gridcell" tabindex="-1" ${attributes(row, column)} aria-label="${escapeXml(fullText)}">` +
        `<rect x="${x + inset}" y="${y + inset}" width="${cell.width - 2 * inset}" height="${cell.height - 2 * inset}" rx="2"/>${label}</g>`
      );
    });
    return `<g role="row">${cells.join('')}</g>`;
  });
  const columnLabels = columns.labels.map((label, column) =>
    column % (columns.every ?? 1) === 0
      ? `<text class="quiet middle" x="${left + (column + 0.5) * cell.width}" y="${MARGIN.top - 6}">${escapeXml(label)}</text>`
      : '',
  );
  const rowLabels = rows.labels.map((label, row) =>
    row % (rows.every ?? 1) === 0
      ? `<text class="quiet end" x="${left - 7}" y="${MARGIN.top + row * cell.height + middle}">${escapeXml(label)}</text>`
      : '',
  );
  const width = Math.max(left + columns.labels.length * cell.width + MARGIN.right, left + 262);
  const height = MARGIN.top + values.length * cell.height + MARGIN.bottom;
  const names = `<text class="quiet" x="${left}" y="12">${escapeXml(columns.name)}</text><text class="quiet" x="0" y="${MARGIN.top - 6}">${escapeXml(rows.name)}</text>`;
  const outlines = values.some((line, row) => line.some((_, column) => chosen(row, column)));
  const legend = yesNo
    ? yesNoLegend(left, height - 20, yesNo)
    : scaleLegend(left, height - 20, [least, most].map(text), outlines ? map.key : undefined);
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" class="chart map${cell.width < TIGHT ? ' tight' : cell.width >= ROOMY ? ' roomy' : ''}" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="grid" aria-label="${escapeXml(title)}">` +
    `<g aria-hidden="true">${names}${columnLabels.join('')}${rowLabels.join('')}${legend}</g>${lines.join('')}</svg>`
  );
}

function lookOf(
  value: number | null,
  outlined: boolean,
  yesNo: GridMap['yesNo'],
  shade: (value: number) => number,
): string {
  if (value === null) return 'none';
  if (yesNo) return value ? 'yes' : 'no';
  return `q${shade(value)}${outlined ? ' chosen' : ''}`;
}

function scaleLegend(from: number, y: number, [least, most]: string[], key: string | undefined): string {
  const left = from + 34;
  const swatches = Array.from(
    { length: SHADES },
    (_, i) => `<rect class="q${i}" x="${left + i * 12}" y="${y}" width="12" height="12"/>`,
  );
  const right = left + SHADES * 12;
  const outline = `<rect class="key" x="${right + 60}" y="${y}" width="13" height="12" rx="2"/><text x="${right + 79}" y="${y + 10}">${key}</text>`;
  return (
    `<text class="end" x="${left - 6}" y="${y + 10}">${escapeXml(least)}</text>${swatches.join('')}` +
    `<text x="${right + 6}" y="${y + 10}">${escapeXml(most)}</text>${key === undefined ? '' : outline}`
  );
}

function yesNoLegend(left: number, y: number, [yes, no]: readonly [string, string]): string {
  const key = (look: string, x: number, name: string) =>
    `<g class="${look}"><rect x="${x}" y="${y}" width="13" height="12" rx="2"/></g><text x="${x + 19}" y="${y + 10}">${name}</text>`;
  return key('yes', left, yes) + key('no', left + 70, no);
}
