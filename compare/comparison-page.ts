import { escapeXml } from '../report/draw/theme';
import { codeHtml, type Figure, figureHtml, htmlTable, type Section, wide } from '../report/html';
import { htmlPage } from '../report/html-page';
import { charts } from '../report/page/charts';
import { pageScript } from '../report/page-script';
import { type AskedComparison, comparisonCommand } from './command-line';
import * as figures from './figures';
import { costTable, repeatTable, seedsTable } from './html-tables';
import type { KnownRuns } from './known-runs';
import { costsOf } from './run-costs';
import type { ComparisonResults } from './summary';
import { columnsOf, notesOf } from './tables';
import { verdictOf } from './verdict';
import { answersOf, bestInWords, costInWords, doubtInWords, referenceInWords } from './words';

/** What the page of a comparison is made of. */
export interface ComparisonParts {
  results: ComparisonResults;
  runs: KnownRuns;
  model: figures.ModelSize;
  asked: AskedComparison;
}

/** The only script of a comparison's page: nothing is drawn anew there. */
const COMPARISON_SCRIPT = pageScript([charts]);

/** report.html of a comparison: which contestant is best, how sure that is, and what it costs. */
export function renderComparison(parts: ComparisonParts): string {
  const { results, runs, asked } = parts;
  const verdict = verdictOf(results);
  const costs = costsOf(results, runs.counted);
  const { standings, failed = [], metric } = results;
  const rows = asked.train.path.split('/').slice(-2).join('/');
  return htmlPage({
    title: `${standings.length + failed.length} contestants on ${rows}, ${results.settings.model.name}`,
    lead: `Ways to choose what is tuned, on the same rows with the same schedule, by ${metric} on rows that none of them has seen.`,
    answers: answersOf(results, verdict, costs),
    sections: [
      standingsSection(results, [bestInWords(results, verdict), referenceInWords(results), doubtInWords(results)]),
      differencesSection(results),
      costSection(parts, costInWords(results, verdict, costs)),
      searchSection(parts),
      headsSection(parts),
      repeatSection(parts),
    ].filter((section) => section !== null),
    script: COMPARISON_SCRIPT,
  });
}

/** Columns of the standings up to this rank: what a contestant costs has a section of its own. */
const TABLE_RANK = 5;

function standingsSection(results: ComparisonResults, words: readonly (string | null)[]): Section {
  const columns = columnsOf(results).filter(({ rank }) => rank <= TABLE_RANK);
  const table = htmlTable(
    results.standings.map((standing) => columns.map(({ cell }) => cell(standing))),
    columns.map(({ head }) => head),
  );
  const told = words.filter((sentence) => sentence !== null).map((sentence) => paragraph(sentence));
  const html = `${told.join('\n')}
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

function costSection({ results, runs }: ComparisonParts, words: string): Section {
  const memory = figures.memoryFigure(results, runs);
  const svg = figures.metricOverNumbers(results);
  const caption = `Test ${results.metric} over the numbers that are trained; contestants of as many stand side by side.`;
  const logistic = results.standings.some(({ contestant }) => contestant === 'logistic')
    ? ' The seconds of logistic are those of its fit: the embeddings of all rows are made once for all seeds and are not in them.'
    : '';
  const html = `${paragraph(words)}
${figureHtml({ svg, caption })}
<div class="pair">${[figures.secondsFigure(results, runs), ...(memory ? [memory] : [])].map(figureHtml).join('\n')}</div>
${wide('Cost', costTable(results, runs))}
${paragraph(`Seconds are wall times, means over the seeds, on the machine that ran this and under its load. What heads are chosen by is measured once a seed and shared by all contestants that use it: each is charged the whole of it. What stands below the tuned layers is run over a seed's rows once, and charged to the run that did it.${logistic}`, 'note')}`;
  return { id: 'cost', name: 'Cost', html };
}

function searchSection({ results, runs }: ComparisonParts): Section | null {
  const drawn = figures.ratesFigure(results, runs);
  if (!drawn) return null;
  const broken = runs.search.filter(({ dev }) => dev === null);
  const lines = broken.map(
    ({ contestant, lr, failure }) => `<li>${escapeXml(`${contestant}, rate ${lr}: ${failure}`)}</li>`,
  );
  const list = lines.length > 0 ? `\n<h3>Broke off</h3>\n<ul>${lines.join('')}</ul>` : '';
  return { id: 'rates', name: 'Learning rates', html: `${figureHtml(drawn)}${list}` };
}

function headsSection({ results, runs, model }: ComparisonParts): Section | null {
  const maps: Figure[] = figures.chosenFigures(results, runs, model);
  if (maps.length === 0) return null;
  const { length } = results.seeds;
  const html = `${paragraph(`In how many of ${length} seed${length === 1 ? '' : 's'} each contestant chose each head. Layers and heads count from 0. Point at a head, or move with the arrow keys: it is marked in all maps.`, 'note')}
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
