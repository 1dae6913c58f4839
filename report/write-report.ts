import { follow } from '../foundation/follow';
import { callEngine } from '../infra/engine';
import type { ReportParts } from './parts';

/**
 * Writes report.html and, in `report/`, what it draws: each chart as SVG, the numbers behind them
 * as CSV and JSON. Files of an earlier report that this one has not are removed. It is drawn in a
 * child process: that takes some hundred milliseconds, for which a server must not be deaf.
 *
 * @param folder made where it is missing
 * @param parts what there is to tell: an analysis alone, or all of a run
 * @param signal ends the process
 * @param options the process's niceness, and the milliseconds of silence after which it counts as
 *   hung; default: this process's niceness, no limit
 * @returns the files' names, from `folder`
 * @throws HifiError FAILED if a file cannot be written; CANCELLED by `signal`; ENGINE_LOST if the
 *   process was killed or hangs
 */
export async function writeReportInChild(
  folder: string,
  parts: ReportParts,
  signal?: AbortSignal,
  options?: { nice?: number; silenceMs?: number },
): Promise<string[]> {
  const call = { entry: require.resolve('./child'), method: 'writeReport', request: { folder, parts }, signal };
  return follow(callEngine<never, string[]>({ ...call, ...options }), () => {});
}
