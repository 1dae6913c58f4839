import type { Precision } from '../foundation/precision';
import type { Spread } from './candidate';

/** Head of the table for the rows of all parts. */
export const TABLE_HEAD = '| work | candidate | median (least … most) | in units of hifi |\n|---|---|---|---|\n';

/** Figure of a candidate for some work, in units of hifi's. */
export interface PrintedRatio {
  work: string;
  candidate: string;
  ratio: number;
}

/** Ratios of the rows so far. */
export const printedRatios: PrintedRatio[] = [];

/** Prints one row: a candidate's figure for some work, and its ratio to hifi's. */
export function printRow(work: string, candidate: string, figure: Spread, hifi: Spread, digits = 3): void {
  const [median, least, most] = [figure.median, figure.least, figure.most].map((value) => value.toFixed(digits));
  const ratio = figure.median / hifi.median;
  printedRatios.push({ work, candidate, ratio });
  process.stdout.write(`| ${work} | ${candidate} | ${median} (${least} … ${most}) | ${ratio.toFixed(2)} |\n`);
}

/** Name of a candidate with its precision, unless that is the default. */
export const inPrecision = (name: string, precision: Precision) =>
  precision === 'float32' ? name : `${name}, ${precision}`;
