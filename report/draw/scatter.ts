import { powersOfTen, roundTicks, tickText } from './axis';
import { markOf } from './mark';
import { escapeXml } from './theme';

/** A named point with the interval of its value, if known. */
export interface ScatterPoint {
  name: string;
  /** Value ≥ 0; 0 has its own place to the left of the powers. */
  x: number;
  y: number;
  interval?: readonly [low: number, high: number] | null;
  /** True for the reference of the others. */
  marked?: boolean;
}

export interface Scatter {
  title: string;
  /** Names of the axes; x has powers of ten. */
  x: string;
  y: string;
  /** Value of x with its unit, in the text of a point. */
  tip: (x: number) => string;
  points: readonly ScatterPoint[];
}

const [WIDTH, HEIGHT] = [700, 400];
const MARGIN = { left: 62, right: 20, top: 18, bottom: 46 };
/**
 * Pixels between two names, width within which this holds, vertical distance at which a point is in
 * the way of a name, and width of a letter.
 */
const NAMES = { apart: 14, width: 150, way: 30, letter: 6.5 };
/** Pixels between points with equal numbers, and between the outermost of them at most. */
const [BESIDE, MOST_BESIDE] = [5, 45];

/**
 * Draws values with intervals over a cost that spans powers of ten. A line joins the points that no
 * other beats at its cost or less.
 */
export function scatterChart({ title, x, y, tip: costText, points }: Scatter): string {
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
    const tip = `${name}: ${value.toFixed(4)}${span}, ${costText(at)}`;
    return `${bar}<circle class="${look}" cx="${places[column].x}" cy="${py(value)}" r="4.5" ${markOf({ row: 0, column, of: name, tip })}/>`;
  });
  const best = frontier(points).map((i) => `${places[i].x} ${py(points[i].y)}`);
  const line = best.length > 1 ? `<path class="dashed" d="M${best.join('L')}"/>` : '';
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" class="chart scatter" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="group" aria-label="${escapeXml(title)}">` +
    `${rows.join('')}${columns.join('')}<path class="axis" d="M${MARGIN.left} ${bottom}H${right}"/>${line}${marks.join('')}${names(points, places, py)}` +
    `<text class="quiet middle" x="${(MARGIN.left + right) / 2}" y="${HEIGHT - 8}">${escapeXml(x)}</text>` +
    `<text class="quiet" x="${MARGIN.left}" y="11">${escapeXml(y)}</text></svg>`
  );
}

/** Indices of the points with more y than every other of the same x or less, by their x. */
function frontier(points: readonly ScatterPoint[]): number[] {
  const order = [...points.keys()].sort((a, b) => points[a].x - points[b].x || points[b].y - points[a].y);
  let highest = Number.NEGATIVE_INFINITY;
  return order.filter((i) => {
    const isBest = points[i].y > highest;
    if (isBest) highest = points[i].y;
    return isBest;
  });
}

/** Place of a point, and the right edge of its group. */
interface Place {
  x: number;
  edge: number;
}

/** Places points that would hide one another side by side, the first at the right. */
function sideBySide(places: readonly number[]): Place[] {
  return places.map((place, i) => {
    const group = [...places.keys()].filter((other) => Math.abs(places[other] - place) < BESIDE);
    const half = (group.length - 1) / 2;
    const gap = Math.min(BESIDE, MOST_BESIDE / group.length);
    return { x: fixed(place + gap * (half - group.indexOf(i))), edge: fixed(place + gap * half) };
  });
}

/**
 * Names beside their points. A name is to the left of its point if another point is at the right,
 * and moves down if names would overlap.
 */
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
      // The extra 0.01 prevents an endless loop if the sum is rounded down.
      for (let clash = placed.find(near); clash; clash = placed.find(near)) at.y = clash.y + NAMES.apart + 0.01;
      placed.push(at);
      return `<text${end ? ' class="end"' : ''} data-of="${escapeXml(name)}" x="${fixed(at.x)}" y="${fixed(at.y)}">${escapeXml(name)}</text>`;
    })
    .join('');
}

const fixed = (value: number) => Number(value.toFixed(1));
