import { escapeXml } from './theme';

/** A value with its interval, by name. */
export interface IntervalRow {
  name: string;
  value: number;
  interval: readonly [low: number, high: number] | null;
}

/** Values as points on one axis, their intervals as bars. */
export function intervalChart(title: string, rows: readonly IntervalRow[]): string {
  const [left, right, row] = [190, 600, 24];
  const ends = rows.flatMap(({ value, interval }) => [value, ...(interval ?? [])]);
  const [least, most] = [Math.min(...ends), Math.max(...ends)];
  const x = (value: number) =>
    Number((left + 10 + ((value - least) / (most - least || 1)) * (right - left - 20)).toFixed(1));
  const height = rows.length * row + 34;
  const lines = rows.map(({ name, value, interval }, i) => {
    const y = 8 + (i + 0.5) * row;
    const bar = interval ? `<path class="curve blue" d="M${x(interval[0])} ${y}H${x(interval[1])}"/>` : '';
    const shown = name.length > 28 ? `${name.slice(0, 27)}…` : name;
    const span = interval ? ` (${interval.map((end) => end.toFixed(4)).join(' to ')})` : '';
    const tip = escapeXml(`${name}: ${value.toFixed(4)}${span}`);
    return `<text class="end" x="${left - 8}" y="${y + 4}">${escapeXml(shown)}</text><path class="rule" d="M${left} ${y}H${right}"/>${bar}<circle class="blue" cx="${x(value)}" cy="${y}" r="4.5" data-tip="${tip}"/>`;
  });
  const names = [least, most].map(
    (end) => `<text class="quiet middle" x="${x(end)}" y="${height - 8}">${end.toFixed(4)}</text>`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" class="chart intervals" viewBox="0 0 620 ${height}" width="620" height="${height}" role="img" aria-label="${escapeXml(title)}">${lines.join('')}${most > least ? names.join('') : ''}</svg>`;
}
