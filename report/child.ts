import { serveEngine } from '../infra/engine-child';
import { writeReport } from './files';
import type { ReportParts } from './parts';

serveEngine({
  // biome-ignore lint/correctness/useYield: it emits no events
  async *writeReport({ folder, parts }: { folder: string; parts: ReportParts }) {
    return writeReport(folder, parts);
  },
});
