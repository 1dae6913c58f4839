import { powersOfTen, roundTicks, tickText } from './axis';
import { markOf } from './mark';
import { escapeXml } from './theme';

/** A point with its name, and where it is known the interval of its value. */
export interface ScatterPoint {
  name: string;
  /** ≥ 0; 0 has a place of its own left of the powers. */
  x: number;
  y: number;
  interval?: readonly [low: number, high: number] | null;
  /** The one that the others are compared with. */
  marked?: boolean;
}

export interface Scatter {
  title: string;
  /** Names of the axes; x has powers of ten. */
  x: string;
  y: string;
  points: readonly ScatterPoint[];
}

const [WIDTH, HEIGHT] = [700, 400];
const MARGIN = { left: 62, right: 20, top: 18, bottom: 46 };
/** Pixels: least distance of two names, within which width, how far down another point is in a name's way, and a letter. */
const NAMES = { apart: 14, width: 150, way: 30, letter: 6.5 };
/** Pixels between points of the same number, which stand side by side, and of all of them at most. */
const [BESIDE, MOST_BESIDE] = [5, 45];

/** Values over a number that spans powers of ten, with their intervals. */
export function scatterChart({ title, x, y, points }: Scatter): string {
  const above = points.map((point) => point.x).filter((value) => value > 0);
  const powers = powersOfTen(above.length > 0 ? [Math.min(...above), 2 * Math.max(...above)] : [1, 10]);
  const ticks = roundTicks(points.flatMap((point) => [point.y, ...(point.interval ?? [])]));
  const zero = points.some((point) => point.x <= 0) ? powers[0] / 10 : null;
  const [low, high] = [Math.log10(zero ?? powers[0]), Math.log10(powers.at(-1)!)];
  const [right, bottom] = [WIDTH - MARGIN.right, HEIGHT - MARGIN.bottom];
  const px = (value: number) =>
    fixed(MARGIN.left + ((Math.log10(value > 0 ? value : zero!) - low) / (high - low)) * (right - MARGIN.left));
  const py = (value: number) =>
    fixed(bottom - ((value - ticks[0]) / (ticks.at(-1)! - ticks[0])) * (bottom - MARGIN.top));
  const rows = ticks.map(
    (tick) =>
      `<path class="rule" d="M${MARGIN.left} ${py(tick)}H${right}"/><text class="quiet end" x="${MARGIN.left - 8}" y="${py(tick) + 4}">${tickText(tick)}</text>`,
  );
  const columns = [...(zero === null ? [] : [0]), ...powers].map(
    (tick) =>
      `<path class="rule" d="M${px(tick)} ${MARGIN.top}V${bottom}"/><text class="quiet middle" x="${px(tick)}" y="${bottom + 16}">${tick === 0 ? '0' : tickText(tick, true)}</text>`,
  );
  const places = sideBySide(points.map((point) => px(point.x)));
  const marks = points.map(({ name, x: at, y: value, interval, marked }, column) => {
    const look = marked ? 'tuned' : 'blue';
    const bar = interval
      ? `<path class="curve ${look}" opacity=".6" data-of="${escapeXml(name)}" d="M${places[column].x} ${py(interval[0])}V${py(interval[1])}"/>`
      : '';
    const span = interval ? ` (${interval.map((end) => end.toFixed(4)).join(' to ')})` : '';
    const tip = `${name}: ${value.toFixed(4)}${span}, ${at.toLocaleString('en-US')} numbers`;
    return `${bar}<circle class="${look}" cx="${places[column].x}" cy="${py(value)}" r="4.5" ${markOf({ row: 0, column, of: name, tip })}/>`;
  });
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" class="chart scatter" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="group" aria-label="${escapeXml(title)}">` +
    `${rows.join('')}${columns.join('')}<path class="axis" d="M${MARGIN.left} ${bottom}H${right}"/>${marks.join('')}${names(points, places, py)}` +
    `<text class="quiet middle" x="${(MARGIN.left + right) / 2}" y="${HEIGHT - 8}">${escapeXml(x)}</text>` +
    `<text class="quiet" x="${MARGIN.left}" y="11">${escapeXml(y)}</text></svg>`
  );
}

/** Where a point stands, and the rightmost of those that it stands beside. */
interface Place {
  x: number;
  edge: number;
}

/** Points that would hide one another stand side by side, the first ones at the right. */
function sideBySide(places: readonly number[]): Place[] {
  return places.map((place, i) => {
    const group = [...places.keys()].filter((other) => Math.abs(places[other] - place) < BESIDE);
    const half = (group.length - 1) / 2;
    const gap = Math.min(BESIDE, MOST_BESIDE / group.length);
    return { x: fixed(place + gap * (half - group.indexOf(i))), edge: fixed(place + gap * half) };
  });
}

/** The points' names beside them: left of a point that has others at its right, moved down where they would lie on one another. */
function names(points: readonly ScatterPoint[], places: readonly Place[], py: (y: number) => number): string {
  const placed: { x: number; y: number; end: boolean }[] = [];
  return [...points.keys()]
    .sort((a, b) => points[b].y - points[a].y)
    .map((i) => {
      const { name, y } = points[i];
      const { x, edge } = places[i];
      const inWay = points.some(
        (other, j) =>
          j !== i &&
          places[j].edge > edge &&
          places[j].edge - edge < NAMES.width &&
          Math.abs(py(other.y) - py(y)) < NAMES.way,
      );
      const end = inWay || edge + 9 + NAMES.letter * name.length > WIDTH;
      const at = { x: end ? x - 9 : edge + 9, y: py(y) + 4, end };
      const near = (other: typeof at) =>
        other.end === end && Math.abs(other.x - at.x) < NAMES.width && Math.abs(other.y - at.y) < NAMES.apart;
      // A little more than that: a sum that is rounded down would lie on the other for ever.
      for (let clash = placed.find(near); clash; clash = placed.find(near)) at.y = clash.y + NAMES.apart + 0.01;
      placed.push(at);
      return `<text${end ? ' class="end"' : ''} data-of="${escapeXml(name)}" x="${fixed(at.x)}" y="${fixed(at.y)}">${escapeXml(name)}</text>`;
    })
    .join('');
}

const fixed = (value: number) => Number(value.toFixed(1));
