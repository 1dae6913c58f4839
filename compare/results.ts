import * as path from 'node:path';
import { writeWhole } from '../foundation/whole-file';
import { writeJson } from '../job/files';
import { svgFile } from '../report/draw/theme';
import { type ComparisonParts, renderComparison } from './comparison-page';
import { metricOverParameters, metricOverSeconds } from './figures';
import { knownRuns } from './known-runs';
import { csvOf, markdownOf } from './tables';

/** Writes the results of a comparison beside its runs. @returns names of the files, from `out` */
export function writeResults(out: string, { results, ...parts }: Omit<ComparisonParts, 'runs'>): string[] {
  writeJson(path.join(out, 'results.json'), results);
  const runs = knownRuns(out, results);
  const texts = {
    'results.csv': csvOf(results),
    'results.md': markdownOf(results),
    'results.svg': svgFile(metricOverParameters(results)),
    'results-seconds.svg': svgFile(metricOverSeconds(results, runs)),
    'report.html': renderComparison({ results, runs, ...parts }),
  };
  for (const [name, text] of Object.entries(texts)) writeWhole(path.join(out, name), text);
  return ['results.json', ...Object.keys(texts)];
}
