import type { Spread } from './contestant';

/** The head of the table that all parts print their rows of. */
export const TABLE_HEAD = '| work | contestant | median (least … most) | in units of hifi |\n|---|---|---|---|\n';

/** Prints one row: a contestant's figure at some work, and how many times hifi's it is. */
export function printRow(work: string, contestant: string, figure: Spread, hifi: Spread, digits = 3): void {
  const [median, least, most] = [figure.median, figure.least, figure.most].map((value) => value.toFixed(digits));
  const ratio = (figure.median / hifi.median).toFixed(2);
  process.stdout.write(`| ${work} | ${contestant} | ${median} (${least} … ${most}) | ${ratio} |\n`);
}
