import * as fs from 'node:fs';
import * as path from 'node:path';
import type { PrintedRatio } from './table';

/** Last accepted ratios, by work and candidate. */
const FILE = path.join(__dirname, 'accepted.json');

/** Share by which a ratio may be worse: medians of one machine differ by some percent. */
const TOLERANCE = 0.15;

type Accepted = Record<string, Record<string, number>>;

/** Stores ratios as accepted; those of other work stay. */
export function accept(printed: readonly PrintedRatio[]): void {
  const accepted = readAccepted();
  for (const { work, candidate, ratio } of printed) {
    accepted[work] = { ...accepted[work], [candidate]: Number(ratio.toFixed(3)) };
  }
  fs.writeFileSync(FILE, `${JSON.stringify(accepted, null, 2)}\n`);
}

/**
 * Compares ratios with the accepted ones. Seconds are never compared: machines differ.
 *
 * @returns a line for each ratio that is worse: a peer's that fell, or one of hifi's own that rose
 */
export function worseThanAccepted(printed: readonly PrintedRatio[]): string[] {
  const accepted = readAccepted();
  return printed.flatMap(({ work, candidate, ratio }) => {
    const before = accepted[work]?.[candidate];
    if (before === undefined) return [];
    const own = /\bhifi\b/.test(candidate);
    const worse = own ? ratio > before * (1 + TOLERANCE) : ratio < before * (1 - TOLERANCE);
    return worse ? [`${work}: ${candidate} is at ${ratio.toFixed(2)} of hifi, and was accepted at ${before}`] : [];
  });
}

const readAccepted = (): Accepted => (fs.existsSync(FILE) ? JSON.parse(fs.readFileSync(FILE, 'utf8')) : {});
