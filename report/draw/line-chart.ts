import { escapeXml } from './theme';

export interface Line {
  name: string;
  /** One a step of the x axis, which counts from 1; missing ones leave a gap at the end. */
  values: readonly number[];
  /** What a point tells. */
  tip?: (value: number, step: number) => string;
}

export interface LineChart {
  title: string;
  /** Name of the x axis, which counts from 1. */
  x: string;
  lines: readonly Line[];
  /** Powers of ten on the y axis; values ≤ 0 are left out. */
  logarithmic?: boolean;
  /** A value that is marked across the chart. */
  mark?: { value: number; name: string };
  /** So many lines that they are told apart by their tips alone. */
  bundle?: boolean;
  width?: number;
}

const LOOKS = ['blue', 'tuned', 'green', 'violet'];
const HEIGHT = 250;

/** Values over steps. */
export function lineChart({
  title,
  x,
  lines,
  logarithmic = false,
  mark,
  bundle = false,
  width = 480,
}: LineChart): string {
  const margin = { left: 52, right: 16, top: bundle ? 14 : 30, bottom: 40 };
  const steps = Math.max(1, ...lines.map(({ values }) => values.length));
  const shown = (value: number) => Number.isFinite(value) && (!logarithmic || value > 0);
  const all = [...lines.flatMap(({ values }) => values), ...(mark ? [mark.value] : [])].filter(shown);
  const ticks = logarithmic ? powersOfTen(all) : roundTicks(all);
  const at = logarithmic ? Math.log10 : (value: number) => value;
  const [low, high] = [at(ticks[0]), at(ticks.at(-1)!)];
  const right = width - margin.right;
  const bottom = HEIGHT - margin.bottom;
  const px = (step: number) =>
    fixed(
      steps === 1
        ? (margin.left + right) / 2
        : margin.left + 14 + ((step - 1) / (steps - 1)) * (right - margin.left - 28),
    );
  const py = (value: number) => fixed(bottom - ((at(value) - low) / (high - low || 1)) * (bottom - margin.top));
  const rules = ticks.map(
    (tick) =>
      `<path class="rule" d="M${margin.left} ${py(tick)}H${right}"/><text class="quiet end" x="${margin.left - 7}" y="${py(tick) + 4}">${tickText(tick, logarithmic)}</text>`,
  );
  const every = Math.max(1, Math.ceil(steps / 12));
  const names = Array.from({ length: steps }, (_, i) => i + 1)
    .filter((step) => step === 1 || step % every === 0)
    .map((step) => `<text class="quiet middle" x="${px(step)}" y="${bottom + 16}">${step}</text>`);
  const curves = lines.map(({ name, values, tip }, i) => {
    const look = bundle ? 'blue thin' : LOOKS[i % LOOKS.length];
    const points = values.flatMap((value, step) => (shown(value) ? [[px(step + 1), py(value)] as const] : []));
    const told = escapeXml(tip ? tip(values.at(-1)!, values.length) : name);
    const dots = bundle
      ? ''
      : values
          .map((value, step) =>
            shown(value)
              ? `<circle class="${look}" cx="${px(step + 1)}" cy="${py(value)}" r="4" data-tip="${escapeXml(tip ? tip(value, step + 1) : `${name} ${value}`)}"/>`
              : '',
          )
          .join('');
    return `<path class="curve ${look}" data-tip="${told}" d="M${points.map(([a, b]) => `${a} ${b}`).join('L')}"/>${dots}`;
  });
  let keyAt = margin.left;
  const keys = bundle
    ? []
    : lines.map(({ name }, i) => {
        const from = keyAt;
        keyAt += 40 + 6.4 * name.length;
        return `<path class="curve ${LOOKS[i % LOOKS.length]}" d="M${from} 13h18"/><text x="${from + 23}" y="17">${escapeXml(name)}</text>`;
      });
  const marked = mark
    ? `<path class="dashed" d="M${margin.left} ${py(mark.value)}H${right}"/><text class="quiet" x="${margin.left + 6}" y="${py(mark.value) - 5}">${escapeXml(mark.name)}</text>`
    : '';
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" class="chart lines" viewBox="0 0 ${width} ${HEIGHT}" width="${width}" height="${HEIGHT}" role="img" aria-label="${escapeXml(title)}">` +
    `${rules.join('')}<path class="axis" d="M${margin.left} ${bottom}H${right}"/>${names.join('')}` +
    `<text class="quiet middle" x="${(margin.left + right) / 2}" y="${HEIGHT - 6}">${escapeXml(x)}</text>${marked}${curves.join('')}${keys.join('')}</svg>`
  );
}

const fixed = (value: number) => Number(value.toFixed(2));

/** Steps of 1, 2 or 5 times a power of ten that span the values, some five of them. */
function roundTicks(values: readonly number[]): number[] {
  const [least, most] = values.length > 0 ? [Math.min(...values), Math.max(...values)] : [0, 1];
  const span = most - least || Math.abs(most) || 1;
  const raw = span / 4;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * ([1, 2, 5].find((factor) => factor * power >= raw) ?? 10);
  const from = Math.floor(least / step + 1e-9);
  const to = Math.max(from + 1, Math.ceil(most / step - 1e-9));
  return Array.from({ length: to - from + 1 }, (_, i) => Number(((from + i) * step).toPrecision(10)));
}

/** Every power of ten that spans the values, or every other and so on where they are many. */
function powersOfTen(values: readonly number[]): number[] {
  const logs = values.length > 0 ? values.map(Math.log10) : [-1, 0];
  const [from, to] = [Math.floor(Math.min(...logs)), Math.ceil(Math.max(...logs))];
  const every = Math.max(1, Math.ceil((to - from) / 6));
  const count = Math.max(1, Math.ceil((to - from) / every));
  return Array.from({ length: count + 1 }, (_, i) => 10 ** (to - (count - i) * every));
}

const SUPERSCRIPTS = '⁰¹²³⁴⁵⁶⁷⁸⁹';

function tickText(tick: number, logarithmic: boolean): string {
  if (!logarithmic) return String(tick).replace('-', '−');
  const power = Math.round(Math.log10(tick));
  const digits = [...String(Math.abs(power))].map((digit) => SUPERSCRIPTS[Number(digit)]).join('');
  return `10${power < 0 ? '⁻' : ''}${digits}`;
}
