import { roundTicks, tickText } from './axis';
import { markOf } from './mark';
import { escapeXml } from './theme';

/** A bar and its parts; null if they are unknown. */
export interface BarRow {
  name: string;
  parts: readonly number[] | null;
  /** Text at the end of the bar. */
  note: string;
}

export interface BarChart {
  title: string;
  /** Name of the axis. */
  x: string;
  /** Names of the parts, in the order of each row. */
  parts: readonly string[];
  rows: readonly BarRow[];
  /** Text about a part. */
  tip: (row: number, part: number) => string;
}

const LOOKS = ['blue', 'green', 'violet'];
const [LEFT, WIDTH, ROW, TOP, BOTTOM] = [118, 500, 23, 26, 42];
/** Width of the longest note, in pixels. */
const NOTE = 70;

/** Draws bars from 0 on one axis, each with its parts end to end. */
export function barChart({ title, x, parts, rows, tip }: BarChart): string {
  const right = WIDTH - NOTE;
  const ends = rows.map((row) => (row.parts ?? []).reduce((sum, part) => sum + part, 0));
  const ticks = roundTicks([0, ...ends]);
  const px = (value: number) => fixed(LEFT + (value / ticks.at(-1)!) * (right - LEFT));
  const bottom = TOP + rows.length * ROW;
  const scale = ticks.map(
    (tick) =>
      `<path class="rule" d="M${px(tick)} ${TOP}V${bottom}"/><text class="quiet middle" x="${px(tick)}" y="${bottom + 16}">${tickText(tick)}</text>`,
  );
  const bars = rows.map((row, i) => {
    const y = TOP + i * ROW;
    let from = 0;
    const drawn = (row.parts ?? []).map((part, column) => {
      const [start, end] = [px(from), px((from += part))];
      const mark = markOf({ row: i, column, of: row.name, tip: tip(i, column) });
      // A tiny part is one pixel wide, so that a pointer can reach it.
      return `<rect class="part ${LOOKS[column]}" x="${start}" y="${y + 4}" width="${fixed(Math.max(1, end - start))}" height="${ROW - 8}" ${mark}/>`;
    });
    return (
      `<text class="end" data-of="${escapeXml(row.name)}" x="${LEFT - 8}" y="${y + ROW / 2 + 4}">${escapeXml(row.name)}</text>${drawn.join('')}` +
      `<text class="quiet" x="${px(ends[i]) + 6}" y="${y + ROW / 2 + 4}">${escapeXml(row.note)}</text>`
    );
  });
  let keyAt = LEFT;
  const keys = parts.map((name, i) => {
    const at = keyAt;
    keyAt += 36 + 6.4 * name.length;
    return `<rect class="part ${LOOKS[i]}" x="${at}" y="4" width="12" height="12"/><text x="${at + 18}" y="14">${escapeXml(name)}</text>`;
  });
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" class="chart bars" viewBox="0 0 ${WIDTH} ${bottom + BOTTOM}" width="${WIDTH}" height="${bottom + BOTTOM}" role="group" aria-label="${escapeXml(title)}">` +
    `${scale.join('')}${bars.join('')}<path class="axis" d="M${LEFT} ${TOP}V${bottom}"/>${parts.length > 1 ? keys.join('') : ''}` +
    `<text class="quiet middle" x="${(LEFT + right) / 2}" y="${bottom + BOTTOM - 8}">${escapeXml(x)}</text></svg>`
  );
}

const fixed = (value: number) => Number(value.toFixed(1));
