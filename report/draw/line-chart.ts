import { powersOfTen, roundTicks, tickText } from './axis';
import { escapeXml } from './theme';

export interface Line {
  name: string;
  /** One value per step of the x axis, from 1; missing ones leave a gap at the end. */
  values: readonly number[];
  /** Text about a point. */
  tip?: (value: number, step: number) => string;
}

export interface LineChart {
  title: string;
  /** Name of the x axis. */
  x: string;
  /** Names of the steps. Default: they count from 1. */
  steps?: readonly string[];
  lines: readonly Line[];
  /** True: powers of ten on the y axis; values ≤ 0 are left out. */
  logarithmic?: boolean;
  /** Value of a line across the chart. */
  mark?: { value: number; name: string };
  /** True: so many lines that only their tips distinguish them. */
  bundle?: boolean;
  width?: number;
}

const LOOKS = ['blue', 'tuned', 'green', 'violet'];
const HEIGHT = 250;

/** Draws values over steps. */
export function lineChart({
  title,
  x,
  steps: stepNames,
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
    .filter((step) => (stepNames ? (step - 1) % every === 0 : step === 1 || step % every === 0))
    .map(
      (step) => `<text class="quiet middle" x="${px(step)}" y="${bottom + 16}">${stepNames?.[step - 1] ?? step}</text>`,
    );
  const curves = lines.map(({ name, values, tip }, i) => {
    const look = bundle ? 'blue thin' : LOOKS[i % LOOKS.length];
    const points = values.flatMap((value, step) => (shown(value) ? [[px(step + 1), py(value)] as const] : []));
    const last = escapeXml(tip ? tip(values.at(-1)!, values.length) : name);
    const dots = bundle
      ? ''
      : values
          .map((value, step) =>
            shown(value)
              ? `<circle class="${look}" cx="${px(step + 1)}" cy="${py(value)}" r="4" data-tip="${escapeXml(tip ? tip(value, step + 1) : `${name} ${value}`)}"/>`
              : '',
          )
          .join('');
    return `<path class="curve ${look}" data-tip="${last}" d="M${points.map(([a, b]) => `${a} ${b}`).join('L')}"/>${dots}`;
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
