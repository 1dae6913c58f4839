import type { DataSource } from '../data/dataset';
import type { Ablation } from '../delta/ablation';
import type { InferenceOptions } from '../delta/inference-options';
import type { HeadPlace } from '../heads/head-groups';
import { ablationBasis, ablationInWords, ablationRows } from './ablation-words';
import { intervalChart } from './draw/intervals';
import { escapeXml } from './draw/theme';
import { codeHtml, figureHtml, htmlTable, type Section, wide } from './html';
import { htmlPage } from './html-page';
import { charts } from './page/charts';
import { pageScript } from './page-script';
import { columnFlags, commandText, fileFlags, longTextFlags } from './shell';
import { metricValue, signedValue } from './value-text';

/** Request of an ablation as the user made it. */
export interface AskedAblation {
  model: string;
  revision?: string;
  delta: string;
  rows: DataSource;
  options: InferenceOptions;
  /** Path of the analysis, if it is given. */
  heads?: string;
}

/** Renders the report.html of an ablation: the metric with each group of heads gated off. */
export function renderAblation(ablation: Ablation, asked: AskedAblation): string {
  const { model, metric, tuned, drawn, allOn } = ablation;
  const answers: [what: string, value: string, more: string][] = [
    [metric, allOn.value.toFixed(4), 'all heads on'],
    ['tuned heads off', tuned.value.toFixed(4), signedValue(tuned.difference)],
    ...(drawn ? [['others off', drawn.value.toFixed(4), signedValue(drawn.difference)] as const] : []),
  ].map(([what, value, more]) => [what, value, more]);
  return htmlPage({
    title: `Heads of ${model.name} gated off on ${asked.rows.path.split('/').slice(-2).join('/')}`,
    lead: 'The metric of the tuned model with groups of heads gated off: their outputs are 0 before W_O. Each group has as many heads of a layer as were tuned there.',
    answers,
    sections: [metricSection(ablation), headsSection(ablation), repeatSection(ablation, asked)],
    script: pageScript([charts]),
  });
}

function metricSection(ablation: Ablation): Section {
  const { metric, allOn, drawn } = ablation;
  const groups = { none: allOn, tuned: ablation.tuned, drawn, last: ablation.last };
  const rows = ablationRows(ablation);
  const svg = intervalChart({
    title: `${metric} with groups of heads gated off`,
    x: metric,
    line: allOn.value,
    rows: rows.map(({ name, off }) => {
      const { value, interval } = groups[name]!;
      return {
        ...{ name, value, interval: [interval.low, interval.high], marked: name === 'tuned' },
        tip: `${off}: ${metricValue({ value, interval })}`,
        dots: name === 'drawn' ? drawn!.draws.map(drawDot) : undefined,
      };
    }),
  });
  const caption = `${metric} with no heads, the tuned heads, drawn others and the last others off, with its interval. A dot: one draw. The line: all heads on.`;
  const table = htmlTable(
    rows.map(({ off, metric: value, difference }) => [off, value, difference]),
    ['heads off', metric, 'minus all heads on'],
  );
  const html = `<p>${escapeXml(ablationInWords(ablation))}</p>
${figureHtml({ svg, caption })}
${wide('Groups', table)}
<p class="note">${escapeXml(ablationBasis(ablation))}. Differences are paired: both sides have the same drawn ${ablation.bootstrap.unit}.</p>`;
  return { id: 'metric', name: 'Heads gated off', html };
}

const drawDot = ({ value }: { value: number }, draw: number) => ({
  value,
  tip: `draw ${draw + 1}: ${value.toFixed(4)}`,
});

function headsSection({ metric, tuned, drawn, last, strategy }: Ablation): Section {
  const layers = [...new Set(tuned.heads.map(({ layer }) => layer))];
  const of = (heads: readonly HeadPlace[], layer: number) =>
    heads
      .filter((each) => each.layer === layer)
      .map(({ head }) => head)
      .join(' ');
  const groups = [
    { name: `tuned (${strategy})`, ...tuned },
    ...(last ? [{ name: 'last others', ...last }] : []),
    ...(drawn?.draws ?? []).map((each, draw) => ({ name: `draw ${draw + 1}`, ...each })),
  ];
  const table = htmlTable(
    groups.map(({ name, value, heads }) => [name, value.toFixed(4), ...layers.map((layer) => of(heads, layer))]),
    ['heads off', metric, ...layers.map((layer) => `layer ${layer}`)],
  );
  return { id: 'heads', name: 'Heads', html: wide('Heads of each group', table) };
}

function repeatSection({ model, bootstrap }: Ablation, asked: AskedAblation): Section {
  const { batchSize, maxLength, device, threads, precision } = asked.options;
  const command = commandText('npx hifi ablate', [
    ['model', asked.model],
    ['revision', asked.revision],
    ['delta', asked.delta],
    ...fileFlags('data', asked.rows),
    ...columnFlags(asked.rows),
    ['heads', asked.heads],
    ['seed', bootstrap.seed],
    ['batch-size', batchSize],
    ['max-length', maxLength],
    ...longTextFlags(asked.options),
    ['device', device],
    ['threads', threads],
    ['precision', precision],
    ['out', 'out'],
  ]);
  const table = htmlTable([
    ['model', model.name],
    ['weights, SHA-256', model.sha256],
  ]);
  return { id: 'repeat', name: 'Repeat it', html: `${codeHtml('the command line', command)}${wide('Hashes', table)}` };
}
