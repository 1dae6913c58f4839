import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { headMapSvg } from '../../report/charts';
import { writeReport } from '../../report/files';
import { figures, renderReport } from '../../report/report';
import { rankingInWords, stabilityInWords } from '../../report/words';
import { TRAIN_DEFAULTS } from '../../trainer/options';
import { sampleMask, sampleMetrics, sampleReport } from '../gateway/sample-results';

const whole = { heads: sampleReport(), mask: sampleMask(), metrics: sampleMetrics(), training: TRAIN_DEFAULTS };

/** Reads XML strictly enough to find what a browser would stumble over; gives the elements by name. */
function elements(xml: string): Map<string, string[]> {
  const found = new Map<string, string[]>();
  const open: string[] = [];
  let rest = xml;
  while (rest !== '') {
    const text = /^[^<]+/.exec(rest)?.[0];
    if (text !== undefined) {
      expect(text.replaceAll(/&(amp|lt|gt|quot|#\d+);/g, '')).not.toContain('&');
      rest = rest.slice(text.length);
      continue;
    }
    const tag = /^<(\/?)([\w:]+)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>/.exec(rest);
    if (!tag) throw new Error(`no element at ${rest.slice(0, 80)}`);
    const [all, closing, name, attributes, empty] = tag;
    if (closing) expect(open.pop()).toBe(name);
    else {
      found.set(name, [...(found.get(name) ?? []), attributes]);
      if (!empty) open.push(name);
    }
    rest = rest.slice(all.length);
  }
  expect(open).toEqual([]);
  return found;
}

test.each(figures(whole).map((figure) => [figure.name, figure]))(
  'the chart %s is well-formed SVG of finite numbers',
  (_, { svg }) => {
    const found = elements(svg);
    expect(found.get('svg')).toHaveLength(1);
    expect(svg).toMatch(/^<svg /);
    expect(svg).not.toMatch(/NaN|Infinity|undefined|null|\[object/);
    expect(svg).not.toMatch(/ecmeta|class=|#010203/);
  },
);

test('a head map has a cell, a value and a tooltip a head, and outlines the chosen heads', () => {
  const [richness, pagerank] = figures(whole);
  for (const { svg } of [richness, pagerank]) {
    const tips = [...svg.matchAll(/<title>(layer[^<]*)<\/title>/g)].map(([, tip]) => tip);
    expect(tips).toHaveLength(8);
    expect(new Set(tips).size).toBe(8);
    expect(svg.match(/stroke="#e6550d"/g)).toHaveLength(sampleMask().heads.length);
  }
  expect(richness.svg).toContain('layer 1, head 2 (tuned): richness 5.00 ± 0.25, PageRank 0.4000');
  const shown = [...pagerank.svg.matchAll(/>(0\.\d{3})<\/text>/g)].map(([, value]) => value);
  expect(shown).toEqual(
    sampleReport()
      .pagerank.flat()
      .map((value) => value.toFixed(3)),
  );
});

test('equal values, one head and many heads are drawn too', () => {
  const map = (layers: number, heads: number) => {
    const values = Array.from({ length: layers }, () => Array.from({ length: heads }, () => 1));
    return headMapSvg({ title: 'a < b & "c"', values, text: String, tip: (l, h) => `${l}.${h}`, chosen: [] });
  };
  for (const svg of [map(1, 1), map(3, 12), map(2, 64)]) {
    expect(elements(svg).get('svg')).toHaveLength(1);
    expect(svg).not.toContain('NaN');
  }
  expect(map(2, 64).match(/<title>\d+\.\d+<\/title>/g)).toHaveLength(128);
});

test('the page stands alone and tells what there is to tell', () => {
  const page = renderReport(whole);
  expect(page).toMatch(/^<!doctype html>/);
  expect(page.replaceAll(/xmlns(:\w+)?="[^"]*"/g, '')).not.toMatch(/https?:|src=|href=|url\(|@import|<script/);
  expect(page).not.toMatch(/NaN|Infinity|undefined|\[object/);
  expect(page.match(/<svg /g)).toHaveLength(3);
  for (const told of [
    'ab'.repeat(32),
    'cd'.repeat(32),
    'prefers-color-scheme: dark',
    'dev accuracy 0.7500',
    'lr 0.001',
  ]) {
    expect(page).toContain(told);
  }
});

test('an analysis alone has no training to tell of', () => {
  const page = renderReport({ heads: sampleReport() });
  expect(page.match(/<svg /g)).toHaveLength(2);
  expect(page).not.toMatch(/Training|tuned heads|undefined/);
});

test('the sentences say what the ranking follows, and whether the sample settles the top k', () => {
  const report = sampleReport(); // ρ 0.75 with richness and −0.5 with correlation in both layers; PageRank rises to one head
  expect(rankingInWords(report)).toBe(
    'The ranking follows information richness more: its rank correlation with information richness is 0.75 ' +
      '(0.75 to 0.75 over the layers), with the sum of correlations -0.50 (-0.50 to -0.50).',
  );
  report.rankCorrelations = [0.1, 0.3].map((richness) => ({ richness, correlationSum: richness + 0.05 }));
  expect(rankingInWords(report)).toContain(
    'follows both alike: its rank correlation with information richness is 0.20',
  );
  expect(rankingInWords(sampleReport(2, 1))).toContain('nothing to rank');
  expect(stabilityInWords(report)).toBeNull();

  // PageRank orders layer 0 as 3 2 1 0 and layer 1 as 2 1 0 3; k = 3.
  report.stability = [
    [0.04, 0.96, 1, 1],
    [0.95, 1, 1, 0.05],
  ];
  expect(stabilityInWords(report)).toBe(
    '3 sequences are enough for this top 3: each of its heads stays in it in at least 95 % of 200 bootstrap replicates.',
  );
  expect(renderReport({ heads: report })).toContain(
    '3\u00a0(0.400,\u00a05.0,\u00a0100\u00a0%)'.replace('5.0', report.richness[0][3].toFixed(1)),
  );
  report.stability[1] = [0.55, 1, 1, 0.45];
  expect(stabilityInWords(report)).toBe(
    '3 sequences do not settle the top 3 of layer 1: 1 of 6 heads stays in it in fewer than 95 % of 200 bootstrap ' +
      'replicates, head 0 of layer 1 in 55 %.',
  );
  expect(renderReport({ heads: report })).toContain('do not settle the top 3 of layer 1');
  expect(figures({ heads: report })[1].svg).toContain('in the top 3 of 55 % of replicates');
});

test('a mask under a budget is told with its budget', () => {
  const { k: _, ...mask } = sampleMask();
  const page = renderReport({ heads: sampleReport(), mask: { ...mask, budget: 0.04 } });
  expect(page).toContain('hifi, budget 4.00 %, qkv');
  expect(page).toContain('strategy hifi, budget 0.04, tune qkv');
});

test('names are shown as they are, never run', () => {
  const heads = sampleReport();
  heads.model.name = '<script>alert(1)</script>';
  heads.data.path = 'a&b/"rows".tsv';
  const page = renderReport({ heads });
  expect(page).not.toContain('<script');
  expect(page).toContain('&lt;script&gt;alert(1)&lt;/script&gt; on a&amp;b/&quot;rows&quot;.tsv');
});

test('what is drawn lies beside the page as SVG, CSV and JSON', () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-report-'));
  try {
    const names = writeReport(folder, whole);
    expect(names.toSorted()).toEqual([
      'report.html',
      'report/epochs.csv',
      'report/heads.csv',
      'report/metrics.svg',
      'report/pagerank.svg',
      'report/report.json',
      'report/richness.svg',
    ]);
    const read = (name: string) => fs.readFileSync(path.join(folder, name), 'utf8');
    const rows = read('report/heads.csv')
      .trimEnd()
      .split('\n')
      .map((line) => line.split(','));
    expect(rows[0]).toEqual([
      'layer',
      'head',
      'richness',
      'richness_stderr',
      'pagerank',
      'activation',
      'head_norm',
      'stability',
      'tuned',
    ]);
    expect(rows).toHaveLength(9);
    expect(rows[7]).toEqual(['1', '2', '5', '0.25', '0.4', '0.125', '11.2', '', '1']);
    expect(read('report/epochs.csv').split('\n')[2]).toBe('2,0.6,0.75,0.61,1.5');
    expect(JSON.parse(read('report/report.json')).pagerank).toEqual(sampleReport().pagerank);

    // An analysis alone in the same folder leaves nothing of the training; what hifi never writes stays.
    fs.writeFileSync(path.join(folder, 'report', 'notes.txt'), 'mine');
    writeReport(folder, { heads: sampleReport() });
    expect(fs.readdirSync(path.join(folder, 'report'))).toEqual([
      'heads.csv',
      'notes.txt',
      'pagerank.svg',
      'report.json',
      'richness.svg',
    ]);
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
});
