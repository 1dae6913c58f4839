import { resultOf } from '../foundation/follow';
import { Engine, type ProcessOptions } from '../infra/engine';
import type { ReportParts } from './parts';

/** Engine whose child draws reports. */
export const reportEngine = (options: ProcessOptions = {}) =>
  new Engine({ entry: require.resolve('./child'), ...options });

/** Writes a report in an engine's child; see {@link writeReportInChild}. */
export const drawReport = (
  engine: Engine,
  folder: string,
  parts: ReportParts,
  signal?: AbortSignal,
): Promise<string[]> => resultOf(engine.call<never, string[]>('writeReport', { folder, parts }, signal));

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
  const engine = reportEngine(options);
  try {
    return await drawReport(engine, folder, parts, signal);
  } finally {
    await engine.close();
  }
}
