import { follow } from '../foundation/follow';
import { callEngine } from '../infra/engine';
import type { ReportParts } from './parts';

/**
 * Writes report.html, and to `report/` its charts as SVG and their numbers as CSV and JSON. Removes
 * files that only an earlier report had. Drawing takes some hundred milliseconds and runs in a
 * child process, so that a server stays responsive.
 *
 * @param folder folder of the report; created if missing
 * @param parts an analysis, or all results of a run
 * @param signal ends the process
 * @param options niceness of the process, and the milliseconds of silence after which it counts as
 *   hung; default: niceness of this process, no limit
 * @returns names of the files, from `folder`
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
