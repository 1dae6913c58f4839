/**
 * Formats a share as the digits of a percentage. It adds digits if rounding would cross a border:
 * 0.996 is not 100 %, and 0.949 is below 95 %.
 *
 * @param share 0 … 1
 * @param digits least number of digits after the point
 * @param border another share that the reader compares `share` with, besides 0 and 1
 */
export function percentDigits(share: number, digits = 0, border = 0): string {
  const MOST_DIGITS = 12;
  const borders = [0, border, 1];
  for (let more = digits; more < MOST_DIGITS; more++) {
    const text = (100 * share).toFixed(more);
    // The borders are rounded like the share: 100 · 0.07 is not 7.
    const keepsSides = borders.every(
      (each) => Math.sign(Number(text) - Number((100 * each).toFixed(MOST_DIGITS))) === Math.sign(share - each),
    );
    if (keepsSides) return text;
  }
  return (100 * share).toFixed(digits);
}
