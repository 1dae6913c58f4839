/*
 * Measures which heads matter for some texts, prints two of the matrices, and ranks the heads by
 * another reading of the paper.
 *
 *   analyze.mts [model]
 */
import { analyze, type PerHead, rank } from 'hifi-heads';

const [model = 'all-MiniLM-L6-v2'] = process.argv.slice(2);
const texts = [
  'The keys to the cabinet are on the table.',
  'The key to the cabinets is on the table.',
  'No book that the teachers recommend was ever read.',
  'Everyone who had seen the film laughed.',
];

const run = analyze({ model, data: { texts }, options: { samples: texts.length } });
for await (const event of run) {
  if (event.kind === 'progress') console.error(`${event.stage} ${event.done}/${event.total} ${event.unit}`);
}
const report = await run;

const { layers, heads } = report.model;
console.log(`${report.model.name}: ${layers} layers of ${heads} heads, on ${report.samples} texts`);
show('richness: singular values that make up 90 % of a head', report.richness);
show('PageRank', report.pagerank);

// Two heads give a row and a column of [L·H][L·H].
const [a, b] = [
  { layer: 0, head: 0 },
  { layer: layers - 1, head: heads - 1 },
];
const index = ({ layer, head }: typeof a) => layer * heads + head;
console.log(`correlation of the first and the last head: ${report.correlation.pearson[index(a)][index(b)].toFixed(3)}`);

// Another ranking of the same measurements; no model runs.
show(
  'PageRank, literal reading',
  rank(report, { correlation: 'covariance', teleport: 'uniform', damping: 0.85 }).pagerank,
);

function show(title: string, matrix: PerHead): void {
  console.log(title);
  for (const row of matrix) console.log(row.map((value) => value.toFixed(3)).join(' '));
}
