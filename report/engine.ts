import { callEngine } from '../infra/engine';
import { follow } from '../infra/follow';
import type { ReportParts } from './parts';

/**
 * Writes report.html and, in `report/`, what it draws: each chart as SVG, the numbers behind them as CSV and JSON. Files of an
 * earlier report that this one has not are removed. It is drawn in a child process: that takes some hundred milliseconds, for which
 * a server must not be deaf.
 *
 * @param folder made where it is missing
 * @param parts what there is to tell: an analysis alone, or all of a run
 * @returns the files' names, from `folder`
 * @throws HifiError FAILED where a file cannot be written; ENGINE_LOST where the process was killed
 */
export async function writeReportInChild(folder: string, parts: ReportParts): Promise<string[]> {
  const request = { folder, parts };
  return follow(
    callEngine<never, string[]>({ entry: require.resolve('./child'), method: 'writeReport', request }),
    () => {},
  );
}
