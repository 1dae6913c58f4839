import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import type { DataSource } from '../../data/dataset';
import type { ProblemType } from '../../data/problem';
import type { TaskHeadInfo } from '../../delta/delta-info';
import { besideHeads, countNumbers, taskHeadTensors, tunedSlices } from '../../delta/slices';
import { TRAIN_DEFAULTS } from '../../delta/training-options';
import { openCheckpoint } from '../../model/checkpoint';
import { reportModelOf } from '../../model/description';
import { KNOWN_MODELS } from '../../model/known-models';
import { commandLine } from '../../report/command-line';
import { COST_GAP, costs } from '../../report/costs';
import { headMap } from '../../report/draw/head-map';
import { lineChart } from '../../report/draw/line-chart';
import { svgFile, THEME_STYLE } from '../../report/draw/theme';
import { figures } from '../../report/figures';
import { REPORT_FILES, writeReport } from '../../report/files';
import { snippets } from '../../report/loading';
import type { ReportParts } from '../../report/parts';
import { renderReport } from '../../report/render-report';
import { SCRIPT } from '../../report/script';
import { rankingInWords, stabilityInWords } from '../../report/sentences';
import { shellWord } from '../../report/shell';
import { sampleMask, sampleMetrics, sampleReport } from '../job/sample-results';
import { largeRun } from './large-report';

const MEASURED = fs.readFileSync(path.join(__dirname, '../../docs/measured.md'), 'utf8');

const whole: ReportParts = {
  heads: sampleReport(),
  mask: sampleMask(),
  metrics: sampleMetrics(),
  training: TRAIN_DEFAULTS,
};

/** Strict reader of XML, which finds what browsers reject. Returns the elements by name. */
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

test.each([...figures(whole), ...figures(largeRun())].map((figure) => [figure.name, figure] as const))(
  'the chart %s is well-formed SVG of finite numbers, and so is its file',
  (_, { svg }) => {
    for (const text of [svg, svgFile(svg)]) {
      const found = elements(text.trimEnd());
      expect(found.get('svg')).toHaveLength(1);
      expect(text).toMatch(/^<svg /);
      expect(text).not.toMatch(/NaN|Infinity|undefined|null|\[object/);
    }
    expect(svgFile(svg)).not.toContain('var(');
  },
);

const figure = (name: string, parts = whole) => figures(parts).find((one) => one.name === name)!.svg;

test('a head map has a cell with a value and a full text per head, and outlines the chosen heads', () => {
  for (const svg of [figure('richness'), figure('pagerank')]) {
    const texts = [...svg.matchAll(/aria-label="([^"]*layer \d[^"]*)"/g)].map(([, text]) => text);
    expect(texts).toHaveLength(8);
    expect(new Set(texts).size).toBe(8);
    expect(svg.match(/class="cell q\d chosen"/g)).toHaveLength(sampleMask().heads.length);
  }
  expect(figure('richness')).toContain('layer 1, head 2 (tuned): richness 5.00 ± 0.25, PageRank 0.4000');
  const shown = [...figure('pagerank').matchAll(/y="\d+">(\d+\.\d)<\/text><\/g>/g)].map(([, value]) => value);
  expect(shown).toEqual(
    sampleReport()
      .pagerank.flat()
      .map((value) => (100 * value).toFixed(1)),
  );
});

test('maps of equal values, of one head and of many heads are drawn', () => {
  const map = (layers: number, heads: number) => {
    const values = Array.from({ length: layers }, () => Array.from({ length: heads }, () => 1));
    return headMap({ title: 'a < b & "c"', values, text: String, tip: (l, h) => `${l}.${h}`, chosen: [] });
  };
  for (const svg of [map(1, 1), map(3, 12), map(2, 64)]) {
    expect(elements(svg).get('svg')).toHaveLength(1);
    expect(svg).not.toContain('NaN');
  }
  expect(map(2, 64).match(/aria-label="\d+\.\d+"/g)).toHaveLength(128);
  const flat = lineChart({ title: 'flat', x: 'epoch', lines: [{ name: 'a', values: [0, 0] }] });
  expect(flat).not.toContain('NaN');
});

test('ticks are round numbers that span the values', () => {
  const ticks = (values: number[], logarithmic = false) =>
    [
      ...lineChart({ title: '', x: '', lines: [{ name: '', values }], logarithmic }).matchAll(
        /class="quiet end"[^>]*>([^<]*)</g,
      ),
    ].map(([, text]) => text);
  expect(ticks([0.52, 0.71, 0.69])).toEqual(['0.5', '0.55', '0.6', '0.65', '0.7', '0.75']);
  expect(ticks([-3, 12])).toEqual(['−5', '0', '5', '10', '15']);
  expect(ticks([0.3, 0.02, 0.004], true)).toEqual(['10⁻³', '10⁻²', '10⁻¹', '10⁰']);
});

test('text on every shade has a WCAG contrast of at least 4.5, in light and dark', () => {
  const luminance = (hex: string) => {
    const [r, g, b] = [1, 3, 5]
      .map((at) => Number.parseInt(hex.slice(at, at + 2), 16) / 255)
      .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a: string, b: string) => {
    const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x);
    return (high + 0.05) / (low + 0.05);
  };
  const themes = [...THEME_STYLE.matchAll(/:root\{([^}]*)\}/g)].map(([, text]) =>
    Object.fromEntries(text.split(';').map((one) => one.slice(2).split(':'))),
  );
  expect(themes).toHaveLength(2);
  for (const theme of themes) {
    for (let i = 0; i < 9; i++) expect(contrast(theme[`q${i}`], theme[`t${i}`])).toBeGreaterThanOrEqual(4.5);
    for (const ground of [theme.paper, theme.panel]) {
      for (const ink of ['ink', 'quiet', 'blue']) expect(contrast(theme[ink], ground)).toBeGreaterThanOrEqual(4.5);
      for (const line of ['tuned', 'green', 'violet']) expect(contrast(theme[line], ground)).toBeGreaterThanOrEqual(3);
    }
  }
});

test('the page is self-contained and has all results', () => {
  const page = renderReport(whole);
  expect(page).toMatch(/^<!doctype html>/);
  const without = page.replace(SCRIPT, '').replaceAll(/xmlns(:\w+)?="[^"]*"/g, '');
  expect(without).not.toMatch(/https?:|src=|href="[^#]|url\(|@import/);
  expect(without).not.toMatch(/NaN|Infinity|undefined|\[object/);
  expect(SCRIPT).not.toMatch(/https?:(?!\/\/www\.w3\.org\/2000\/svg)|fetch\(|XMLHttp|import\(|require\(|exports/);
  expect(page.match(/<script/g)).toHaveLength(2);
  for (const text of [
    'ab'.repeat(32),
    'cd'.repeat(32),
    'prefers-color-scheme:dark',
    '0.7500<small>epoch 2 of 2, the best',
    'lr 0.001',
    "script-src 'sha256-",
  ]) {
    expect(page).toContain(text);
  }
});

test('the script is self-contained: no function uses an import', () => {
  const parsed = new Function('document', 'performance', SCRIPT);
  expect(parsed).toBeInstanceOf(Function);
  expect(SCRIPT).not.toMatch(/\(0, _|\b_[a-z]+\d*\./); // compiled imports
});

test('the costs of LoRA and full fine-tuning follow from the shapes', () => {
  const [own, lora, full] = costs(largeRun());
  // BERT-large, k = 3: docs/method.md. LoRA with r = 8 on q, k, v in PEFT's count:
  // 24 · 3 · (8·1024 + 1024·8).
  expect(own.trained).toBe(14_164_992 + 1_051_650);
  expect(lora.trained).toBe(1_179_648 + 1_051_650);
  expect(full.trained).toBe(335_141_888 + 1_051_650 - 1024 * 1025);
  // Adam in float32: weights, gradients and two moments, 16 bytes per parameter.
  expect(full.stateBytes).toBe(16 * 335_141_888 + 12 * 2050);
  expect([own.measuredBytes, lora.measuredBytes]).toEqual([true, false]);
  expect([own.peakBytes, full.peakBytes]).toEqual([123_456_789, null]);
  // Full fine-tuning makes three passes per matrix, hifi two, and a third one over tuned rows.
  expect(full.multiplyAdds! / own.multiplyAdds!).toBeCloseTo(1.5 / (1 + (9 * 64) / (24 * 1024)), 3);
  expect(full.epochSeconds! / own.epochSeconds!).toBeCloseTo(full.multiplyAdds! / own.multiplyAdds!, 10);
  expect(costs({ heads: sampleReport() })).toEqual([]);
  // With the task head alone an epoch runs no layer, so seconds cannot be in proportion.
  const none = { ...sampleMask(), heads: [], trainableParameters: 0 };
  const alone = costs({ ...whole, mask: none, metrics: { ...sampleMetrics(), trainableParameters: 0 } });
  expect(alone.map(({ epochSeconds }) => epochSeconds)).toEqual([1.375, null, null]);
});

test.each<[string, number, number]>([
  // d · (q + k + v + o) and the feed-forward's matrices, of which the last two have a third.
  // Queries, keys and values are in one matrix or in three.
  ['bert', 4 * 45 ** 2 + 2 * 45 * 70, 6 * 45],
  ['electra', 4 * 20 ** 2 + 2 * 20 * 28, 6 * 20],
  ['modernbert', 4 * 24 ** 2 + 3 * 24 * 19, 24 + 72],
  ['qwen3', 14 * (32 + 16 + 16 + 32) + 3 * 14 * 22, 14 * 3 + 32 + 16 + 16],
])('the costs of %s follow from its own matrices', async (family, matrices, projections) => {
  const checkpoint = await openCheckpoint(path.join(__dirname, '../fixtures', `tiny-${family}`));
  checkpoint.close();
  const run = largeRun(checkpoint.config.layers, checkpoint.config.heads, checkpoint.config.headDim);
  run.heads.model = reportModelOf(checkpoint);
  const { layers } = checkpoint.config;
  const { taskHeadParameters: head, trainableParameters: tuned } = run.metrics!;
  const lowest = Math.min(...run.mask!.heads.map(({ layer }) => layer));
  const [own, lora, full] = costs(run);
  expect(lora.trained).toBe(layers * 8 * projections + head);
  expect(own.multiplyAdds).toBe(2 * (layers - lowest) * matrices + tuned);
  expect(lora.multiplyAdds).toBe(2 * layers * matrices + 3 * layers * 8 * projections);
  expect(full.multiplyAdds).toBe(3 * layers * matrices);
});

test.each(['bert', 'roberta', 'xlm-roberta', 'distilbert', 'electra', 'modernbert'])(
  'full fine-tuning of %s has the parameters that the trainer trains',
  async (family) => {
    const checkpoint = await openCheckpoint(path.join(__dirname, '../fixtures', `tiny-${family}`));
    checkpoint.close();
    const { config, parameters, name, sha256 } = checkpoint;
    const { architecture, layers, heads, headDim, hiddenSize } = config;
    const run = largeRun();
    run.heads.model = { name, sha256, architecture, layers, heads, headDim, hiddenSize, parameters };
    const taskHead = countNumbers(taskHeadTensors(config, 2));
    run.metrics!.taskHeadParameters = taskHead;
    const all = Array.from({ length: layers * heads }, (_, i) => ({
      layer: Math.floor(i / heads),
      head: i % heads,
      score: 0,
    }));
    const slices = tunedSlices(config, { tune: 'qkvo', heads: all }, besideHeads(config));
    // The trainer leaves out only the biases of the keys that have no gradient.
    const full = costs(run).at(-1)!.trained;
    const keyBiases = family === 'modernbert' ? 0 : layers * hiddenSize;
    expect(full).toBe(countNumbers(slices) + taskHead + keyBiases);
  },
);

test('the limits of the computed numbers have the measured ratios of docs/measured.md', () => {
  const run = largeRun(6, 12, 32); // MiniLM's sizes
  run.heads.model.parameters = 22_713_216;
  const [own, lora, full] = costs(run).map(({ multiplyAdds }) => multiplyAdds!);
  const ratios = (name: string) => {
    const rows = MEASURED.split('\n').filter(
      (line) => line.startsWith('| training step') && line.includes(`| ${name} |`),
    );
    return rows.map((line) => line.split('|')[4].trim()).sort();
  };
  const stated = [...COST_GAP.matchAll(/\d\.\d\d/g)].map(([number]) => number);
  expect(stated).toEqual([
    (lora / own).toFixed(2),
    (full / own).toFixed(2),
    ...ratios('PEFT LoRA r = 8'),
    ...ratios('full fine-tuning'),
  ]);
  expect(renderReport(largeRun())).toContain('Multiply-adds omit');
});

test('the command line has every option', () => {
  const asked = { model: 'a model', rows: { path: 'data/rows.csv', textColumns: ['a', 'b'], labelColumn: "it's" } };
  expect(commandLine({ ...whole, asked, exports: ['peft', 'onnx'] }).replaceAll(/ \\\n */g, ' ')).toBe(
    "npx hifi run --model 'a model' --train data/rows.csv --text-columns a,b --label-column 'it'\\''s' --samples 3 --xi 0.9 " +
      '--max-length 128 --seed 0 --correlation pearson --teleport richness --damping 0.5 --scope layer --strategy hifi --k 3 ' +
      '--tune qkv --epochs 5 --batch-size 32 --lr 0.001 --warmup 0.06 --weight-decay 0 --device cpu --export peft,onnx --out out',
  );
  const bf16 = commandLine({ ...whole, training: { ...whole.training!, precision: 'bf16' } });
  expect(bf16.replaceAll(/ \\\n */g, ' ')).toContain(' --precision bf16 --device cpu ');
  const windows = commandLine({ ...whole, training: { ...whole.training!, longTexts: 'windows', stride: 32 } });
  expect(windows.replaceAll(/ \\\n */g, ' ')).toContain(' --long-texts windows --stride 32 ');
  const { k: _, ...mask } = sampleMask();
  const budget = commandLine({ ...whole, mask: { ...mask, budget: 0.04 } });
  expect(budget).toContain('--budget 0.04');
  expect(budget).not.toMatch(/--k|--scope/);
  expect(commandLine({ heads: sampleReport(), asked: { model: 'm', rows: { path: 'stdin', format: 'txt' } } })).toMatch(
    /^npx hifi analyze --model m --data - --format txt --samples 3 /,
  );
  const revised = { model: 'owner/name', revision: 'v2', rows: { path: 'a.txt' } };
  expect(commandLine({ heads: sampleReport(), asked: revised })).toContain('--model owner/name --revision v2 ');
  expect(['a-b.c/d', '', 'a b', '$x'].map(shellWord)).toEqual(['a-b.c/d', "''", "'a b'", "'$x'"]);
});

test.each<[ProblemType, string]>([
  ['tokens', 'a classifier alone'],
  ['regression', 'its pooler and a classifier'],
])("the costs of %s say what BERT's task head is", (problem, head) => {
  const asked = { model: 'm', rows: { path: 'a.jsonl', problem } };
  expect(renderReport({ ...whole, asked })).toContain(`and the task head, in BERT ${head}. `);
});

test('the page has loading code for each existing result', () => {
  const titles = (parts: ReportParts) => snippets(parts).map(({ title }) => title);
  expect(titles(whole)).toEqual(['hifi']);
  expect(titles(largeRun())).toEqual(['hifi', 'transformers', 'peft', 'onnxruntime', 'transformers.js']);
  expect(titles({ heads: sampleReport() })).toEqual([]);
  const peft = (taskHead: Omit<TaskHeadInfo, 'task'>) =>
    snippets({ ...whole, exports: ['peft'], taskHead: { ...taskHead, task: null } }).find(
      ({ title }) => title === 'peft',
    )!.code;
  expect(peft({ id2label: { 0: 'no', 1: '"yes"' }, problemType: 'single_label_classification' })).toContain(
    'num_labels=2, id2label={0: "no", 1: "\\"yes\\""}',
  );
  expect(peft({ id2label: null, problemType: 'regression' })).toContain('num_labels=1, problem_type="regression"');
  const known = { ...sampleReport().model, name: 'my-base', sha256: KNOWN_MODELS['all-MiniLM-L6-v2'].sha256 };
  const [, named] = snippets({ ...whole, heads: { ...sampleReport(), model: known }, exports: ['peft'] });
  expect(named.code).toContain('base = "sentence-transformers/all-MiniLM-L6-v2"');
});

test.each<[DataSource, string]>([
  [{ path: 'CoLA/train.tsv', task: 'cola' }, 'new.tsv --task cola'],
  [{ path: 'a.conll', problem: 'tokens' }, 'new.conll'],
  [
    { path: 'a.ndjson.gz', textColumns: ['tokens'], labelColumn: 'tags', problem: 'tokens' },
    'new.jsonl --text-columns tokens',
  ],
  [
    { path: 'a.csv', textColumns: ['a', 'b c'], labelColumn: 'y', delimiter: ';' },
    "new.csv --text-columns 'a,b c' --delimiter ';'",
  ],
  [{ path: 'stdin', format: 'parquet', textColumns: ['a'], labelColumn: 'y' }, 'new.parquet --text-columns a'],
  [{ path: 'folder', textColumns: ['a'], labelColumn: 'y' }, 'NEW_ROWS --text-columns a'],
])('the code for predict after a training on %j reads rows of the same form', (rows, data) => {
  const [{ code }] = snippets({ ...whole, metrics: { ...sampleMetrics(), task: null }, asked: { model: 'm', rows } });
  expect(code.replaceAll(/ \\\n */g, ' ')).toBe(`npx hifi predict --model m --delta delta --data ${data}`);
});

test('the report of an analysis has no training', () => {
  const page = renderReport({ heads: sampleReport() });
  expect(page.match(/<svg /g)).toHaveLength(SCRIPT.match(/<svg /g)!.length + 5);
  expect(page.replace(SCRIPT, '')).not.toMatch(/Training|tuned heads|undefined/);
});

test('sentences state what the ranking follows and how certain the top k is', () => {
  // ρ is 0.75 with richness and −0.5 with correlation in both layers.
  const report = sampleReport();
  expect(rankingInWords(report)).toBe(
    'The ranking follows information richness more closely: its rank correlation with information richness is 0.75 ' +
      '(0.75 to 0.75 over the layers), with the sum of correlations -0.50 (-0.50 to -0.50).',
  );
  report.rankCorrelations = [0.1, 0.3].map((richness) => ({ richness, correlationSum: richness + 0.05 }));
  expect(rankingInWords(report)).toContain(
    'follows both equally: its rank correlation with information richness is 0.20',
  );
  expect(rankingInWords(sampleReport(2, 1))).toContain('no ranking');
  expect(stabilityInWords(report)).toBeNull();

  // PageRank orders layer 0 as 3 2 1 0 and layer 1 as 2 1 0 3; k = 3.
  report.stability = [
    [0.04, 0.96, 1, 1],
    [0.95, 1, 1, 0.05],
  ];
  expect(stabilityInWords(report)).toBe(
    '3 sequences are enough for this top 3: each of its heads is in it in at least 95 % of 200 bootstrap replicates.',
  );
  expect(renderReport({ heads: report })).toContain(
    '3\u00a0(0.400,\u00a05.0,\u00a0100\u00a0%)'.replace('5.0', report.richness[0][3].toFixed(1)),
  );
  report.stability[1] = [0.949, 1, 1, 1];
  expect(stabilityInWords(report)).toMatch(/fewer than 95 % .* in 94\.9 %\.$/);
  report.stability[1] = [0.55, 1, 1, 0.45];
  expect(stabilityInWords(report)).toBe(
    '3 sequences leave the top 3 of layer 1 uncertain: 1 of 6 heads is in it in fewer than 95 % of 200 bootstrap ' +
      'replicates, head 0 of layer 1 in 55 %.',
  );
  expect(renderReport({ heads: report })).toContain('leave the top 3 of layer 1 uncertain');
  const neurons = { ...sampleMask(), strategy: 'gradient', tune: 'neurons', heads: [], neurons: [] } as const;
  expect(stabilityInWords(report, sampleMask())).not.toBeNull();
  expect(stabilityInWords(report, neurons)).toBeNull();
  expect(renderReport({ heads: report, mask: { ...neurons, heads: [], neurons: [] } })).not.toContain('uncertain');
  expect(figure('pagerank', { heads: report })).toContain('in the top 3 of 55 % of replicates');
});

test('a mask with a budget shows the budget', () => {
  const { k: _, ...mask } = sampleMask();
  const page = renderReport({ heads: sampleReport(), mask: { ...mask, budget: 0.04 } });
  expect(page).toContain('hifi, budget 4.00 %, qkv');
  expect(page).toContain('strategy hifi, budget 0.04, tune qkv');
});

test('names with markup are escaped', () => {
  const heads = sampleReport();
  heads.model.name = '<script>alert(1)</script>';
  heads.options.xi = 0.9;
  heads.data.path = 'a&b/"rows".tsv';
  const page = renderReport({ heads });
  expect(page.match(/<script/g)).toHaveLength(2); // the page's own
  expect(page.match(/<\/script/g)).toHaveLength(2);
  expect(page).toContain('&lt;script&gt;alert(1)&lt;/script&gt; on a&amp;b/&quot;rows&quot;.tsv');
});

test('report/ has the charts as SVG and their numbers as CSV and JSON', () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-report-'));
  try {
    const names = writeReport(folder, whole);
    expect(names.toSorted()).toEqual([
      'report.html',
      'report/convergence.csv',
      'report/convergence.svg',
      'report/correlation-layer.svg',
      'report/correlation-model.svg',
      'report/correlation.csv',
      'report/epochs.csv',
      'report/heads.csv',
      'report/loss.svg',
      'report/metrics.svg',
      'report/pagerank.svg',
      'report/report.json',
      'report/richness.svg',
      'report/spectra.csv',
      'report/spectrum.svg',
      'report/tuned.svg',
    ]);
    for (const name of names.slice(1)) expect(REPORT_FILES).toContain(name.replace('report/', ''));
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

    expect(read('report/spectra.csv').split('\n').slice(0, 3)).toEqual([
      'layer,head,value,share,cumulative',
      '0,0,1,0.5,0.5',
      '0,0,2,0.3,0.8',
    ]);
    expect(read('report/correlation.csv').split('\n')).toHaveLength(1 + 2 * 6 + 1);
    expect(read('report/convergence.csv')).toMatch(/^graph,round,change\n0,1,0\.\d+\n/);

    // A later report of an analysis removes the training's files, but no foreign file.
    fs.writeFileSync(path.join(folder, 'report', 'notes.txt'), 'mine');
    writeReport(folder, { heads: sampleReport() });
    expect(fs.readdirSync(path.join(folder, 'report'))).toEqual([
      'convergence.csv',
      'convergence.svg',
      'correlation-layer.svg',
      'correlation-model.svg',
      'correlation.csv',
      'heads.csv',
      'notes.txt',
      'pagerank.svg',
      'report.json',
      'richness.svg',
      'spectra.csv',
      'spectrum.svg',
    ]);
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
});
