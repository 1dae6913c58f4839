import { callEngine } from '../infra/engine';
import type { ReportParts } from './parts';

/** `writeReport` in a child process: to draw takes some hundred milliseconds, which a server must not be deaf. */
export async function writeReportInChild(folder: string, parts: ReportParts): Promise<string[]> {
  const request = { folder, parts };
  const events = callEngine<never, string[]>({ entry: require.resolve('./child'), method: 'writeReport', request });
  for (;;) {
    const { done, value } = await events.next();
    if (done) return value;
  }
}
