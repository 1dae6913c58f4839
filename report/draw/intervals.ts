import { roundTicks, tickText } from './axis';
import { type Mark, markOf } from './mark';
import { escapeXml } from './theme';

/** A named value with its interval. */
export interface IntervalRow {
  name: string;
  value: number;
  interval: readonly [low: number, high: number] | null;
  tip: string;
  /** Single values behind the value. */
  dots?: readonly { value: number; tip: string }[];
  /** True for the reference of the others. */
  marked?: boolean;
  /** Text at the right. */
  note?: string;
}

export interface IntervalChart {
  title: string;
  /** Name of the axis. */
  x: string;
  rows: readonly IntervalRow[];
  /** Title of the notes. */
  notes?: string;
  /** Value of a line across all rows. */
  line?: number;
}

const [LEFT, WIDTH, ROW, TOP, BOTTOM] = [136, 640, 25, 24, 42];

/** Draws values as points on one axis, with intervals as bars and single values as dots. */
export function intervalChart({ title, x, rows, notes, line }: IntervalChart): string {
  const right = WIDTH - (notes === undefined ? 20 : 104);
  const all = rows.flatMap(({ value, interval, dots }) => [
    value,
    ...(interval ?? []),
    ...(dots ?? []).map((dot) => dot.value),
  ]);
  const ticks = roundTicks(line === undefined ? all : [...all, line]);
  const px = (value: number) =>
    fixed(LEFT + 8 + ((value - ticks[0]) / (ticks.at(-1)! - ticks[0])) * (right - LEFT - 16));
  const bottom = TOP + rows.length * ROW;
  const scale = ticks.map(
    (tick) =>
      `<path class="rule" d="M${px(tick)} ${TOP}V${bottom}"/><text class="quiet middle" x="${px(tick)}" y="${bottom + 16}">${tickText(tick)}</text>`,
  );
  const drawn = rows.map(({ name, value, interval, tip, dots = [], marked, note }, row) => {
    const y = TOP + (row + 0.5) * ROW;
    const look = marked ? 'tuned' : 'blue';
    const mark = (column: number, text: string): Mark => ({ row, column, of: name, tip: text });
    const bar = interval
      ? `<path class="curve ${look}" data-of="${escapeXml(name)}" d="M${px(interval[0])} ${y}H${px(interval[1])}"/>`
      : '';
    const single = dots.map(
      (dot, i) =>
        `<circle class="dot ${look}" cx="${px(dot.value)}" cy="${y}" r="3.5" ${markOf(mark(i + 1, dot.tip))}/>`,
    );
    // Among dots the value is a stroke, so the dots stay visible.
    const at = px(value);
    const point =
      dots.length > 0
        ? `<rect class="at ${look}" x="${fixed(at - 2)}" y="${y - 9}" width="4" height="18" rx="1" ${markOf(mark(0, tip))}/>`
        : `<circle class="${look}" cx="${at}" cy="${y}" r="5" ${markOf(mark(0, tip))}/>`;
    const noted = note === undefined ? '' : `<text class="end" x="${WIDTH - 4}" y="${y + 4}">${escapeXml(note)}</text>`;
    return `<text class="end" data-of="${escapeXml(name)}" x="${LEFT - 8}" y="${y + 4}">${escapeXml(name)}</text>${bar}${point}${single.join('')}${noted}`;
  });
  const across = line === undefined ? '' : `<path class="dashed" d="M${px(line)} ${TOP - 6}V${bottom}"/>`;
  const heading =
    notes === undefined ? '' : `<text class="quiet end" x="${WIDTH - 4}" y="13">${escapeXml(notes)}</text>`;
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" class="chart intervals" viewBox="0 0 ${WIDTH} ${bottom + BOTTOM}" width="${WIDTH}" height="${bottom + BOTTOM}" role="group" aria-label="${escapeXml(title)}">` +
    `${scale.join('')}${across}${drawn.join('')}${heading}` +
    `<text class="quiet middle" x="${(LEFT + right) / 2}" y="${bottom + BOTTOM - 8}">${escapeXml(x)}</text></svg>`
  );
}

const fixed = (value: number) => Number(value.toFixed(1));
