import { escapeXml } from '../report/draw/theme';
import { codeHtml, type Figure, figureHtml, htmlTable, type Section, wide } from '../report/html';
import { htmlPage } from '../report/html-page';
import { charts } from '../report/page/charts';
import { pageScript } from '../report/page-script';
import { type AskedComparison, comparisonCommand } from './command-line';
import * as figures from './figures';
import { answersTable, costTable, repeatTable, seedsTable } from './html-tables';
import type { KnownRuns } from './known-runs';
import { costsOf } from './run-costs';
import { answersOf, bestInWords, costInWords, doubtInWords, referenceInWords } from './sentences';
import type { ComparisonResults } from './summary';
import { columnsOf, notesOf } from './tables';
import { verdictOf } from './verdict';

/** Content of a comparison's page. */
export interface ComparisonParts {
  results: ComparisonResults;
  runs: KnownRuns;
  model: figures.ModelSize;
  asked: AskedComparison;
}

/** The only script of a comparison's page, which redraws no chart. */
const COMPARISON_SCRIPT = pageScript([charts]);

/** Renders a comparison's report.html: the best method, the certainty of that, and the costs. */
export function renderComparison(parts: ComparisonParts): string {
  const { results, runs, asked } = parts;
  const verdict = verdictOf(results);
  const costs = costsOf(results, runs);
  const { standings, failed = [], metric } = results;
  const rows = asked.train.path.split('/').slice(-2).join('/');
  return htmlPage({
    title: `${standings.length + failed.length} methods on ${rows}, ${results.settings.model.name}`,
    lead: `Methods that choose what to tune, trained on the same rows with the same schedule and scored by ${metric} on unseen rows.`,
    answers: answersOf(results, verdict, costs),
    sections: [
      standingsSection(results, [bestInWords(results, verdict), referenceInWords(results), doubtInWords(results)]),
      differencesSection(results),
      answersSection(results),
      costSection(parts, costInWords(results, verdict, costs)),
      searchSection(parts),
      headsSection(parts),
      repeatSection(parts),
    ].filter((section) => section !== null),
    script: COMPARISON_SCRIPT,
  });
}

/** Highest rank of a column in the standings; costs have a section of their own. */
const TABLE_RANK = 5;

function standingsSection(results: ComparisonResults, words: readonly (string | null)[]): Section {
  const columns = columnsOf(results).filter(({ rank }) => rank <= TABLE_RANK);
  const table = htmlTable(
    results.standings.map((standing) => columns.map(({ cell }) => cell(standing))),
    columns.map(({ head }) => head),
  );
  const paragraphs = words.filter((sentence) => sentence !== null).map((sentence) => paragraph(sentence));
  const html = `${paragraphs.join('\n')}
${figureHtml(figures.scoreFigure(results))}
${wide('Standings', table)}
${notesOf(results)
  .map((note) => paragraph(`${note}.`, 'note'))
  .join('\n')}
<h3>Each seed</h3>
${wide('Each seed', seedsTable(results))}`;
  return { id: 'standings', name: 'Standings', html };
}

function differencesSection(results: ComparisonResults): Section | null {
  const drawn = figures.differenceFigure(results);
  if (!drawn) return null;
  return { id: 'differences', name: `Beside ${results.reference}`, html: figureHtml(drawn) };
}

/** Answers of the best method, and of the reference, beside those of each other method. */
function answersSection(results: ComparisonResults): Section | null {
  const { answers = [], standings, reference } = results;
  if (answers.length === 0) return null;
  const [{ contestant: best }] = standings;
  const tables = [...new Set([best, reference])].map((method) =>
    wide(`Answers of ${method}`, answersTable(results, method)),
  );
  const html = `${tables.join('\n')}
${paragraph('For each seed: rows on which only the first method is right, rows on which only the second is, and the p of McNemar’s test on these rows. It is the exact two-sided binomial test below 25 such rows, else χ² with continuity correction. The p of a seed is about its test rows and its two trained models, not about other draws of training rows, and is not corrected for the number of comparisons. results.json has every pair.', 'note')}`;
  return { id: 'answers', name: 'Row by row', html };
}

function costSection({ results, runs }: ComparisonParts, words: string): Section {
  const memory = figures.memoryFigure(results, runs);
  const overSeconds = {
    svg: figures.metricOverSeconds(results, runs),
    caption: `Test ${results.metric} over the seconds that a method's result takes from nothing: choosing heads, then training at each of the learning rates${results.budget ? ', in the rungs too' : ''}, on the first seed. The dashed line joins the methods that no other beats in that time or less.`,
  };
  const overParameters = {
    svg: figures.metricOverParameters(results),
    caption: `The same over the trainable parameters; methods with equal numbers are side by side.`,
  };
  const logistic = results.standings.some(({ contestant }) => contestant === 'logistic')
    ? ' The seconds of logistic are those of its fit, without the embeddings of all rows: these are computed once for all seeds.'
    : '';
  const html = `${paragraph(words)}
${figureHtml(overSeconds)}
${figureHtml(overParameters)}
<div class="pair">${[figures.secondsFigure(results, runs), ...(memory ? [memory] : [])].map(figureHtml).join('\n')}</div>
${wide('Cost', costTable(results, runs))}
${paragraph(`Seconds are wall times, means over the seeds, on the machine that ran this and under its load. The measurements that choose heads are made once per seed, and each method that uses them is charged all of their time. The layers below the tuned ones run once over a seed's rows, and the first run is charged.${logistic}`, 'note')}`;
  return { id: 'cost', name: 'Cost', html };
}

function searchSection({ results, runs }: ComparisonParts): Section | null {
  const drawn = figures.ratesFigure(results, runs);
  if (!drawn) return null;
  const broken = runs.search.filter(({ dev }) => dev === null);
  const lines = broken.map(
    ({ contestant, lr, failure }) => `<li>${escapeXml(`${contestant}, learning rate ${lr}: ${failure}`)}</li>`,
  );
  const list = lines.length > 0 ? `\n<h3>Failed trainings</h3>\n<ul>${lines.join('')}</ul>` : '';
  return { id: 'rates', name: 'Learning rates', html: `${figureHtml(drawn)}${list}` };
}

function headsSection({ results, runs, model }: ComparisonParts): Section | null {
  const maps: Figure[] = figures.chosenFigures(results, runs, model);
  if (maps.length === 0) return null;
  const { length } = results.seeds;
  const html = `${paragraph(`Number of seeds, of ${length}, in which each method chose each head. Layers and heads count from 0. Point at a head, or move with the arrow keys: all maps mark it.`, 'note')}
<div class="multiples">${maps.map(figureHtml).join('\n')}</div>`;
  return { id: 'heads', name: 'Chosen heads', html };
}

function repeatSection({ results, asked, runs }: ComparisonParts): Section {
  const command = codeHtml('the command line', comparisonCommand(results, asked));
  return {
    id: 'repeat',
    name: 'Repeat it',
    html: `${command}${wide('Options and hashes', repeatTable(results, asked, runs))}`,
  };
}

const paragraph = (text: string, look?: string) => `<p${look ? ` class="${look}"` : ''}>${escapeXml(text)}</p>`;
