/** Some five ticks that span the values, in steps of 1, 2 or 5 times a power of ten. */
export function roundTicks(values: readonly number[]): number[] {
  const [least, most] = values.length > 0 ? [Math.min(...values), Math.max(...values)] : [0, 1];
  const span = most - least || Math.abs(most) || 1;
  const raw = span / 4;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * ([1, 2, 5].find((factor) => factor * power >= raw) ?? 10);
  const from = Math.floor(least / step + 1e-9);
  const to = Math.max(from + 1, Math.ceil(most / step - 1e-9));
  return Array.from({ length: to - from + 1 }, (_, i) => Number(((from + i) * step).toPrecision(10)));
}

/** Powers of ten that span the values (all above 0); a regular part of them if there are many. */
export function powersOfTen(values: readonly number[]): number[] {
  const logs = values.length > 0 ? values.map(Math.log10) : [-1, 0];
  const [from, to] = [Math.floor(Math.min(...logs)), Math.ceil(Math.max(...logs))];
  const every = Math.max(1, Math.ceil((to - from) / 6));
  const count = Math.max(1, Math.ceil((to - from) / every));
  return Array.from({ length: count + 1 }, (_, i) => 10 ** (to - (count - i) * every));
}

const SUPERSCRIPTS = '⁰¹²³⁴⁵⁶⁷⁸⁹';

/** Label of a tick: `−0.5`, or `10⁻⁹` on an axis of powers. */
export function tickText(tick: number, logarithmic = false): string {
  if (!logarithmic) return String(tick).replace('-', '−');
  const power = Math.round(Math.log10(tick));
  const digits = [...String(Math.abs(power))].map((digit) => SUPERSCRIPTS[Number(digit)]).join('');
  return `10${power < 0 ? '⁻' : ''}${digits}`;
}
