import * as path from 'node:path';
import { writeJson } from '../gateway/files';
import { writeWhole } from '../infra/whole-file';
import { comparisonSvg } from './chart';
import type { ComparisonResults } from './summary';
import { csvOf, markdownOf } from './tables';

/** Writes what a comparison came to. @returns the files' names, from `out` */
export function writeResults(out: string, results: ComparisonResults): string[] {
  writeJson(path.join(out, 'results.json'), results);
  const texts = {
    'results.csv': csvOf(results),
    'results.md': markdownOf(results),
    'results.svg': `${comparisonSvg(results)}\n`,
  };
  for (const [name, text] of Object.entries(texts)) writeWhole(path.join(out, name), text);
  return ['results.json', ...Object.keys(texts)];
}
