import type { TrainMetrics } from '../delta/training-options';
import { commandLine } from './command-line';
import { COST_GAP } from './costs';
import { escapeXml } from './draw/theme';
import { errorSection } from './error-section';
import { codeHtml, type Figure, figureHtml, type Section, wide } from './html';
import { snippets } from './loading';
import type { ReportParts } from './parts';
import { convergenceInWords, rankingInWords, stabilityInWords } from './sentences';
import { costNotes, costTable, epochsTable, layersTable, onnxTable, rangeTable, repeatTable } from './tables';

/** Heads per layer from which on a map takes the whole width. */
const BROAD = 20;

/** Sections of the page, in order; those without content are left out. */
export function sections(parts: ReportParts, drawn: readonly Figure[]): Section[] {
  const all = [
    errorSection(parts, drawn),
    headsSection(parts, drawn),
    graphSection(parts, drawn),
    rankingSection(parts, drawn),
    trainingSection(parts, drawn),
    costSection(parts),
    loadingSection(parts),
    repeatSection(parts),
  ];
  return all.filter((section) => section !== null);
}

function headsSection(parts: ReportParts, drawn: readonly Figure[]): Section {
  const names = ['richness', 'pagerank', 'stability', 'tuned'];
  const maps = drawn.filter(({ name }) => names.includes(name)).map(figureHtml);
  const spectrum = drawn.find(({ name }) => name === 'spectrum') as Figure;
  const broad = parts.heads.model.heads > BROAD ? ' broad' : '';
  const stability = stabilityInWords(parts.heads, parts.mask);
  const html = `${stability === null ? '' : `<p>${escapeXml(stability)}</p>\n`}<p class="note screen">Point at a head, or move with the arrow keys, to read its numbers. Click it, or press Enter, to see its singular values.</p>
<div class="maps${broad}">${maps.join('\n')}</div>
<section class="panel" id="head" aria-live="polite" aria-labelledby="head-name">
<h3 id="head-name" data-part="name">${escapeXml(spectrum.caption.replace(/^.*of head (\d+) of layer (\d+).*$/, 'Head $1 of layer $2'))}</h3>
<p class="note" data-part="numbers"></p>
<div class="sides">
<figure><div data-part="spectrum">${spectrum.svg}</div><figcaption>Singular values of the head's output, each as a share of their sum, mean over the sequences. Richness is the mean of the number that each sequence needs to reach ξ; the line is where the mean values reach ξ.</figcaption></figure>
<div class="lists"><div><h3>Richness at each ξ</h3><dl class="short" data-part="xi"></dl></div>
<div><h3>Most correlated</h3><dl class="short" data-part="partners"></dl></div></div>
</div>
</section>`;
  return { id: 'heads', name: 'Heads', html };
}

function graphSection(parts: ReportParts, drawn: readonly Figure[]): Section | null {
  const { model, options } = parts.heads;
  const graph = drawn.find(({ name }) => name === (model.heads > 1 ? 'correlation-layer' : 'correlation-model'));
  if (!graph) return null;
  const first = model.heads > 1 ? Number(/layer (\d+)/.exec(graph.caption)?.[1]) : 'model';
  const option = (value: number | string, name: string) =>
    `<option value="${value}"${value === first ? ' selected' : ''}>${name}</option>`;
  const layers =
    model.heads > 1 ? Array.from({ length: model.layers }, (_, layer) => option(layer, `layer ${layer}`)) : [];
  const radio = (kind: string) =>
    `<label><input type="radio" name="kind" value="${kind}"${kind === options.correlation ? ' checked' : ''}> ${kind}</label>`;
  const html = `<form id="graph-of">
<label for="graph-layer">Heads of <select id="graph-layer" name="layer">${layers.join('')}${option('model', 'the whole model')}</select></label>
<fieldset><legend>correlation</legend>${radio('pearson')}${radio('covariance')}</fieldset>
</form>
<div class="beside">
<figure><div id="graph">${graph.svg}</div><figcaption id="graph-caption">${escapeXml(graph.caption)}</figcaption></figure>
<table id="pairs"><caption>Strongest pairs</caption><thead><tr><th scope="col">head</th><th scope="col">head</th><th scope="col">correlation</th></tr></thead><tbody></tbody></table>
</div>`;
  return { id: 'correlation', name: 'Correlation', html };
}

function rankingSection(parts: ReportParts, drawn: readonly Figure[]): Section {
  const { heads, mask } = parts;
  const share = heads.stability
    ? `, PageRank, richness and the share of 200 bootstrap replicates in which it is in the top ${heads.options.k}`
    : ', PageRank and richness';
  const moves = drawn.find(({ name }) => name === 'convergence');
  const html = `<p>${escapeXml(rankingInWords(heads))}</p>
${moves ? `<p>${escapeXml(convergenceInWords(heads))}</p><div id="convergence">${figureHtml(moves)}</div>` : ''}
<p class="note">Each layer's best heads (head${share}), and Spearman's rank correlation ρ of PageRank with richness and with the sum of correlations.</p>
${wide("Each layer's best heads", layersTable(heads, mask))}`;
  return { id: 'ranking', name: 'Ranking', html };
}

function trainingSection(parts: ReportParts, drawn: readonly Figure[]): Section | null {
  if (!parts.metrics) return null;
  const curves = drawn.filter(({ name }) => name === 'loss' || name === 'metrics');
  const html = `<div class="pair">${curves.map(figureHtml).join('\n')}</div>${wide('Epochs', epochsTable(parts.metrics))}${learningRate(parts.metrics)}`;
  return { id: 'training', name: 'Training', html };
}

/** Choice of the learning rate with its range test; empty if the rate was given. */
function learningRate({ learningRate: rate }: TrainMetrics): string {
  if (!rate) return '';
  const tested = rate.tried.length > 0 ? wide('Range test of the learning rate', rangeTable(rate)) : '';
  return `<h3>Learning rate ${rate.lr}</h3><p>This is ${escapeXml(rate.reason)}.</p>${tested}`;
}

function costSection(parts: ReportParts): Section | null {
  if (!parts.metrics || !parts.mask) return null;
  const html = `<p class="note">The same model, tuned for the same task in float32. Computed figures follow from the shapes; only this run was measured. ${escapeXml(COST_GAP)}</p>
${wide('Cost', costTable(parts))}${costNotes(parts)}`;
  return { id: 'cost', name: 'Cost', html };
}

function loadingSection(parts: ReportParts): Section | null {
  const examples = snippets(parts);
  if (examples.length === 0) return null;
  const html = examples.map(
    ({ title, note, code }) =>
      `<h3>${title}</h3>${note ? `<p class="note">${escapeXml(note)}</p>` : ''}${codeHtml(title, code)}`,
  );
  return {
    id: 'load',
    name: 'Load it',
    html: `<p>Paths are relative to this file.</p>${html.join('\n')}${onnxFiles(parts)}`,
  };
}

function onnxFiles({ metrics, exports: folders = [] }: ReportParts): string {
  if (!metrics?.onnx || !folders.includes('onnx')) return '';
  const note =
    "The largest difference is that of logits from the trainer's on random tokens. fp16 is for GPUs; a CPU computes it in float32. " +
    "A row's q8 logits depend slightly on the other rows of its batch.";
  return `<h3>ONNX files</h3><p class="note">${escapeXml(note)}</p>${wide('ONNX files', onnxTable(metrics.onnx, metrics.metric))}`;
}

function repeatSection(parts: ReportParts): Section {
  const html = `${codeHtml('the command line', commandLine(parts))}${wide('Options and hashes', repeatTable(parts.heads, parts.mask, parts.training))}`;
  return { id: 'repeat', name: 'Repeat it', html };
}
