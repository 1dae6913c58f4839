import { percentDigits } from '../foundation/percent';
import type { HeadReport } from '../heads/head-report';

/** Numbers of a head, on one line. */
export function headTip(report: HeadReport, layer: number, head: number, tuned: boolean): string {
  const { richness, richnessStderr, pagerank, activation, headNorms, stability, options } = report;
  const error = richnessStderr[layer][head];
  const spread = error === null ? '' : ` ± ${error.toFixed(2)}`;
  return [
    `layer ${layer}, head ${head}${tuned ? ' (tuned)' : ''}: richness ${richness[layer][head].toFixed(2)}${spread}`,
    `PageRank ${pagerank[layer][head].toFixed(4)}`,
    ...(stability ? [`in the top ${options.k} of ${percentDigits(stability[layer][head])} % of replicates`] : []),
    `activation ${activation[layer][head].toPrecision(3)}`,
    `‖W_QKV‖ ${headNorms[layer][head].toPrecision(3)}`,
  ].join(', ');
}
