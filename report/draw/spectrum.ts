/** Singular values of a head's output. */
export interface Spectrum {
  title: string;
  /** Mean over the sample of σ_i/Σσ, largest first; they sum to 1. */
  shares: readonly number[];
  /** Share ξ, 0 … 1. */
  xi: number;
}

/**
 * Draws a head's singular values, cumulative above and single below, and the place where they reach
 * ξ. The page runs this text, too, so it uses only its argument.
 */
export function spectrumChart({ title, shares, xi }: Spectrum): string {
  const [width, left, right] = [520, 46, 508];
  const upper = { top: 22, bottom: 132 };
  const lower = { top: 158, bottom: 258 };
  const count = shares.length;
  const cumulative: number[] = [];
  for (const share of shares) cumulative.push((cumulative.at(-1) ?? 0) + share);
  const total = cumulative.at(-1) || 1;
  const found = cumulative.findIndex((sum) => sum >= xi * total * (1 - 1e-12));
  const cut = found < 0 ? count : found + 1; // singular values needed to reach ξ
  const most = Math.max(...shares, 1e-12);
  const slot = (right - left) / count;
  const fixed = (value: number) => Number(value.toFixed(2));
  const x = (i: number) => fixed(left + (i + 0.5) * slot);
  const upperY = (value: number) => fixed(upper.bottom - value * (upper.bottom - upper.top));
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
  const bars = shares.map((share, i) => {
    const height = fixed((share / most) * (lower.bottom - lower.top));
    const tip = `σ ${i + 1}: ${percent(share)} of the sum, ${percent(cumulative[i])} with those before`;
    return `<rect class="${i < cut ? 'bar' : 'tail'}" x="${fixed(left + i * slot + slot * 0.1)}" y="${fixed(lower.bottom - height)}" width="${fixed(slot * 0.8)}" height="${height}" data-tip="${tip}"/>`;
  });
  const every = [1, 2, 4, 8, 16, 32, 64].find((step) => count / step <= 16) ?? 128;
  const names = shares.map((_, i) =>
    i === 0 || (i + 1) % every === 0
      ? `<text class="quiet middle" x="${x(i)}" y="${lower.bottom + 15}">${i + 1}</text>`
      : '',
  );
  const scale = [0, 0.5, 1].map(
    (share) =>
      `<path class="rule" d="M${left} ${upperY(share)}H${right}"/><text class="quiet end" x="${left - 6}" y="${upperY(share) + 4}">${100 * share} %</text>`,
  );
  const line = cumulative.map((sum, i) => `${x(i)} ${upperY(sum)}`).join('L');
  const cutX = fixed(left + cut * slot);
  const near = cutX > 400;
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" class="chart spectrum" viewBox="0 0 ${width} 290" width="${width}" height="290" role="img" aria-label="${title}">` +
    `<text class="quiet" x="${left}" y="12">cumulative</text>${scale.join('')}` +
    `<path class="dashed" d="M${left} ${upperY(xi)}H${right}"/>` +
    `<path class="curve blue" d="M${left} ${upper.bottom}L${line}"/>` +
    `<path class="dashed" d="M${cutX} ${upper.top}V${upper.bottom}M${cutX} ${lower.top}V${lower.bottom}"/>` +
    `<text class="${near ? 'end' : ''}" x="${near ? cutX - 6 : cutX + 6}" y="${upper.bottom - 8}">ξ = ${xi}: ${cut} of ${count}</text>` +
    `<text class="quiet" x="${left}" y="${lower.top - 8}">each, mean of σ/Σσ (the largest ${percent(most)})</text>` +
    `${bars.join('')}<path class="axis" d="M${left} ${lower.bottom}H${right}"/>${names.join('')}` +
    `<text class="quiet middle" x="${(left + right) / 2}" y="286">singular value, largest first</text></svg>`
  );
}
