import type { ErrorAnalysis } from '../delta/error-analysis';
import { escapeXml } from './draw/theme';
import { classesTable, confusedPairs, pairsTable } from './error-tables';
import { type Figure, figureHtml, type Section, wide } from './html';
import type { ReportParts } from './parts';
import { grouped } from './sentences';
import { worstRowsHtml } from './worst-rows';

/** Section on what the model gets right and wrong on the dev rows. */
export function errorSection({ metrics }: ReportParts, drawn: readonly Figure[]): Section | null {
  const errors = metrics?.errorAnalysis;
  if (!errors) return null;
  const html = [
    `<p class="note">On the ${grouped(errors.rows)} dev rows, after epoch ${metrics.best.epoch}, the best.</p>`,
    classesPart(errors),
    confusionPart(errors, drawn),
    thresholdPart(drawn),
    worstPart(errors),
  ];
  return { id: 'errors', name: 'Errors', html: html.join('\n') };
}

const figuresNamed = (drawn: readonly Figure[], names: readonly string[]) =>
  drawn.filter(({ name }) => names.includes(name)).map(figureHtml);

function classesPart(errors: ErrorAnalysis): string {
  if (!errors.classes) return '';
  const name = errors.unit === 'entities' ? 'Types of entities' : 'Labels';
  return `<h3>${name}</h3>${wide(name, classesTable(errors))}`;
}

function confusionPart(errors: ErrorAnalysis, drawn: readonly Figure[]): string {
  const [map] = figuresNamed(drawn, ['confusion']);
  if (map) return `<h3>Confusion</h3>${wide('Confusion matrix', map)}`;
  const all = confusedPairs(errors).length;
  if (all === 0) return '';
  const note = `The most frequent of ${grouped(all)} pairs of labels; confusion.csv has all.`;
  return `<h3>Confusion</h3><p class="note">${escapeXml(note)}</p>${wide('Confusion', pairsTable(errors))}`;
}

function thresholdPart(drawn: readonly Figure[]): string {
  const [curve] = figuresNamed(drawn, ['thresholds']);
  const [map] = figuresNamed(drawn, ['label-thresholds']);
  return curve && map ? `<h3>Thresholds</h3>${curve}${wide('Thresholds of the labels', map)}` : '';
}

function worstPart(errors: ErrorAnalysis): string {
  const { wrong, worst, unit } = errors;
  if (wrong === 0) return '<h3>Worst rows</h3><p>No row is wrong.</p>';
  const isRanked = worst[0].ranking !== undefined;
  const all = `${grouped(worst.length)} of ${grouped(wrong)}`;
  const note = isRanked
    ? `${all} queries whose order is not ideal, the lowest nDCG@10 first: the best relevant row, and the row that is first.`
    : unit === undefined
      ? `${grouped(worst.length)} rows, the largest loss first: the squared difference.`
      : `${all} wrong rows, the largest loss first: those whose label the model found least probable.`;
  const name = isRanked ? 'Worst queries' : 'Worst rows';
  return `<h3>${name}</h3><p class="note">${escapeXml(note)}</p>${wide(name, worstRowsHtml(errors))}`;
}
