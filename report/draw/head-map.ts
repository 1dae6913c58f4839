import { escapeXml } from './theme';

/** A number a head, to be drawn as a map of layers and heads. */
export interface HeadMap {
  title: string;
  /** [L][H]. */
  values: readonly (readonly number[])[];
  /** A cell's value as text. */
  text: (value: number) => string;
  /** All that there is to tell of a cell. */
  tip: (layer: number, head: number) => string;
  /** Heads to be outlined. */
  chosen: readonly { layer: number; head: number }[];
  /** Ends of the scale; by default those of the values. */
  scale?: readonly [least: number, most: number];
  /** The values are yes (1) and no (0). */
  yesNo?: boolean;
}

/** Shades of the scale: the theme's q0 … q8. */
const SHADES = 9;
/** From this number of heads in a row on a cell is too narrow for its value. */
const MOST_LABELLED = 16;
/** Below this width, in pixels, values are smaller. */
const TIGHT = 34;
const CELL_HEIGHT = 24;
const MARGIN = { left: 44, right: 8, top: 38, bottom: 34 };

/** A map of layers (downwards) and heads, with its legend: a grid whose cells can be focused and tell their values. */
export function headMap({ title, values, text, tip, chosen, scale, yesNo = false }: HeadMap): string {
  const heads = values[0].length;
  const cell = Math.max(14, Math.min(46, Math.floor(440 / heads)));
  const flat = values.flat();
  const [least, most] = scale ?? [Math.min(...flat), Math.max(...flat)];
  const isChosen = new Set(chosen.map(({ layer, head }) => layer * heads + head));
  const shade = (value: number) => {
    const place = most > least ? Math.min(1, Math.max(0, (value - least) / (most - least))) : 0;
    return Math.round(place * (SHADES - 1));
  };
  const step = heads > 32 ? 8 : 1; // of the heads' numbers
  const rows = values.map((row, layer) => {
    const y = MARGIN.top + layer * CELL_HEIGHT;
    const cells = row.map((value, head) => {
      const outlined = isChosen.has(layer * heads + head);
      const inset = outlined && !yesNo ? 2.5 : 1;
      const look = yesNo ? (value ? 'yes' : 'no') : `q${shade(value)}${outlined ? ' chosen' : ''}`;
      const x = MARGIN.left + head * cell;
      const shown = heads <= MOST_LABELLED && text(value) !== '';
      const label = shown
        ? `<text class="middle" x="${x + cell / 2}" y="${y + CELL_HEIGHT / 2 + 4}">${escapeXml(text(value))}</text>`
        : '';
      return (
        `<g class="cell ${look}" role="gridcell" tabindex="-1" data-head="${layer}.${head}" aria-label="${escapeXml(`${shown ? `${text(value)}: ` : ''}${tip(layer, head)}`)}">` +
        `<rect x="${x + inset}" y="${y + inset}" width="${cell - 2 * inset}" height="${CELL_HEIGHT - 2 * inset}" rx="2"/>${label}</g>`
      );
    });
    return `<g role="row">${cells.join('')}</g>`;
  });
  const columns = values[0].map((_, head) =>
    head % step === 0
      ? `<text class="quiet middle" x="${MARGIN.left + (head + 0.5) * cell}" y="${MARGIN.top - 6}">${head}</text>`
      : '',
  );
  const lines = values.map(
    (_, layer) =>
      `<text class="quiet end" x="${MARGIN.left - 7}" y="${MARGIN.top + (layer + 0.5) * CELL_HEIGHT + 4}">${layer}</text>`,
  );
  const width = Math.max(MARGIN.left + heads * cell + MARGIN.right, 300);
  const height = MARGIN.top + values.length * CELL_HEIGHT + MARGIN.bottom;
  const names = `<text class="quiet" x="${MARGIN.left}" y="12">head →</text><text class="quiet" x="0" y="${MARGIN.top - 6}">layer ↓</text>`;
  const legend = yesNo
    ? yesNoLegend(height - 20)
    : scaleLegend(height - 20, [least, most].map(text), chosen.length > 0);
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" class="chart map${cell < TIGHT ? ' tight' : ''}" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="grid" aria-label="${escapeXml(title)}">` +
    `<g aria-hidden="true">${names}${columns.join('')}${lines.join('')}${legend}</g>${rows.join('')}</svg>`
  );
}

function scaleLegend(y: number, [least, most]: string[], outlined: boolean): string {
  const left = MARGIN.left + 34;
  const swatches = Array.from(
    { length: SHADES },
    (_, i) => `<rect class="q${i}" x="${left + i * 12}" y="${y}" width="12" height="12"/>`,
  );
  const right = left + SHADES * 12;
  const tuned = `<rect class="key" x="${right + 52}" y="${y}" width="13" height="12" rx="2"/><text x="${right + 71}" y="${y + 10}">tuned</text>`;
  return (
    `<text class="end" x="${left - 6}" y="${y + 10}">${escapeXml(least)}</text>${swatches.join('')}` +
    `<text x="${right + 6}" y="${y + 10}">${escapeXml(most)}</text>${outlined ? tuned : ''}`
  );
}

function yesNoLegend(y: number): string {
  const key = (look: string, x: number, name: string) =>
    `<g class="${look}"><rect x="${x}" y="${y}" width="13" height="12" rx="2"/></g><text x="${x + 19}" y="${y + 10}">${name}</text>`;
  return key('yes', MARGIN.left, 'tuned') + key('no', MARGIN.left + 70, 'frozen');
}
