import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import type { Encoded } from '../../data/batches';
import { exportAdapter } from '../../delta/adapter-export';
import { exportCheckpoint } from '../../delta/checkpoint-export';
import { writeDelta } from '../../delta/delta';
import type { Prediction } from '../../delta/inference-options';
import { writeOnnxFiles } from '../../delta/onnx-files';
import type { StoredProblem } from '../../delta/problems';
import { sigmoid } from '../../delta/thresholds';
import { follow } from '../../foundation/follow';
import { loadTensorFlow } from '../../infra/tensorflow';
import { openCheckpoint } from '../../model/checkpoint';
import { loadTokenizer } from '../../model/tokenizer';
import { logits, predict } from '../../trainer/inference';
import { PYTORCH, pythonWith, withPyTorch } from '../docs/reader';
import { FIXTURES, randomDelta, temporaryFolder } from '../support/deltas';
import { asJsonLines, entityRows } from '../support/entity-rows';
import { type AskedFolder, transformersJs } from '../support/js-pipelines';

/*
 * Exports of several labels, of tokens, of relevance and of regression in the libraries of their
 * users. All cases run in one process of transformers.js and one of Python.
 */
const temporary = temporaryFolder('problem-exports');
afterAll(() => fs.rmSync(temporary, { recursive: true }));
const tf = loadTensorFlow('cpu');

type Problem = 'multi-label' | 'tokens' | 'relevance' | 'regression';
const STORED: Record<Problem, StoredProblem> = {
  'multi-label': 'multi_label_classification',
  tokens: 'token_classification',
  relevance: 'relevance',
  regression: 'regression',
};
const LABELS: Record<Problem, string[] | undefined> = {
  'multi-label': ['anger', 'fear', 'joy'],
  tokens: ['B-LOC', 'B-PER', 'I-LOC', 'I-PER', 'O'],
  relevance: undefined,
  regression: undefined,
};
/** A word of 40 tokens in WordPiece. */
const LONG = 'ab'.repeat(20);
const SENTENCES = [...entityRows(6, 3).map(({ tokens }) => tokens.join(' ')), 'Oslo', ''];
/** No second text is empty: given one pair, not a list, transformers takes it for no pair. */
const PAIRS = [
  ['Eve met Hal', 'Oslo .'],
  ['', 'Lima'],
  ['in June', 'nothing'],
  ['Acme', 'Eve met Hal'],
];

/** Bases with the chosen heads of each layer. */
const CASES: [problem: Problem, base: string, heads: number[][]][] = [
  ['multi-label', 'tiny-bert', [[1, 3], [0]]],
  ['multi-label', 'tiny-roberta', [[0], [1, 2]]],
  ['tokens', 'tiny-bert', [[1, 3], [0]]],
  ['tokens', 'tiny-roberta', [[0, 3], [1]]],
  ['tokens', 'tiny-distilbert', [[], [0, 2]]],
  ['tokens', 'tiny-electra', [[4], [0, 1], [2]]],
  ['tokens', 'tiny-mpnet', [[2], [0]]],
  ['tokens', 'tiny-deberta', [[1, 3], [0]]],
  ['tokens', 'tiny-modernbert', [[1], [0], [2, 3]]],
  ['relevance', 'tiny-bert', [[1, 3], [0]]],
  ['relevance', 'tiny-xlm-roberta', [[], [2]]],
  ['relevance', 'tiny-modernbert', [[], [], []]],
  ['regression', 'tiny-bert', [[1, 3], [0]]],
];

/** Exports of a case, and what the trainer says of its rows. */
interface Exported {
  problem: Problem;
  base: string;
  checkpoint: string;
  peft: string;
  onnx: string;
  /** True if transformers' pipeline splits words as hifi does. */
  pipeline: boolean;
  rows: string[][];
  encoded: Encoded[];
  /** Logits of each row [C], of tokens [S · C]. */
  logits: number[][];
  /** Entities of each row, if a pipeline finds them too. */
  entities?: Prediction['entities'][];
}
const exported: Exported[] = [];

beforeAll(async () => {
  for (const [i, [problem, name, heads]] of CASES.entries()) {
    const base = path.join(FIXTURES, name);
    const at = (part: string) => path.join(temporary, String(i), part);
    const delta = at('delta');
    const checkpoint = await openCheckpoint(base);
    const shape = { heads, tune: 'qkvo' as const, labels: LABELS[problem], problemType: STORED[problem], scale: 0.3 };
    const drawn = randomDelta(checkpoint, shape);
    writeDelta(delta, drawn);
    await exportCheckpoint({ checkpoint, delta: drawn, dtype: 'float32', out: at('checkpoint') });
    await exportAdapter({ checkpoint, delta: drawn, out: at('peft') });
    fs.mkdirSync(at('onnx'));
    writeOnnxFiles({ checkpoint, delta: drawn, dtypes: ['fp32'], folder: at('onnx') });
    checkpoint.close();

    const tokenizer = loadTokenizer(base);
    const { maxPositions } = checkpoint.config;
    const long = problem === 'tokens' && maxPositions > 50 ? [[`${LONG} left Oslo .`]] : [];
    const all = LABELS[problem] === undefined ? PAIRS : [...SENTENCES.map((text) => [text]), ...long];
    const encode = ([text, second]: string[]) => tokenizer.encode(text, second, 512);
    const rows = all.filter((row) => encode(row).ids.length <= maxPositions);
    expect(rows.length).toBeGreaterThan(3);
    const encoded = rows.map((row): Encoded => {
      const every = Int32Array.from(encode(row).ids, (_, token) => token);
      return { ...encode(row), ...(problem === 'tokens' && { asked: { at: every, words: every } }) };
    });
    const options = { batchSize: 8, maxLength: 512, device: 'cpu' as const };
    const found = await follow(logits(tf, { model: base, delta, rows: encoded, options }), () => {});
    const pipeline = problem !== 'tokens' || ['bert', 'distilbert', 'electra'].includes(checkpoint.config.architecture);
    let entities: Exported['entities'];
    if (problem === 'tokens' && pipeline) {
      const data = { path: at('rows.jsonl'), textColumns: ['text'] };
      fs.writeFileSync(data.path, asJsonLines(rows.map(([text]) => ({ text }))));
      const predictions: Prediction[] = [];
      await follow(predict(tf, { model: base, delta, data, options }), (event) => {
        if (event.kind === 'rows') predictions.push(...event.rows);
      });
      entities = predictions.map((row) => row.entities);
    }
    const starts = [0];
    for (const [row, { asked }] of encoded.entries()) starts.push(starts[row] + (asked?.at.length ?? 1));
    exported.push({
      ...{ problem, base, checkpoint: at('checkpoint'), peft: at('peft'), onnx: at('onnx'), pipeline },
      ...{ rows, encoded, entities },
      logits: rows.map((_, row) =>
        Array.from(found.values.subarray(starts[row] * found.outputs, starts[row + 1] * found.outputs)),
      ),
    });
  }
});

const nameOf = ({ problem, base }: Exported) => `${problem} on ${path.basename(base)}`;

/** Expects a tool's logits of each row, [C] or [S][C], within 1e-4; padded tokens do not count. */
function expectLogits(tool: string, found: (number | number[])[][], { logits, ...rest }: Exported): void {
  const distances = logits.map((row, i) => {
    const values = found[i].flat();
    expect([tool, nameOf({ ...rest, logits }), values.length >= row.length]).toEqual([tool, expect.anything(), true]);
    return Math.max(...row.map((value, at) => Math.abs(value - values[at])));
  });
  expect([tool, nameOf({ ...rest, logits }), Math.max(...distances) < 1e-4 || distances]).toEqual([
    tool,
    expect.anything(),
    true,
  ]);
}

/** Expects a pipeline's scores of all labels to be the probabilities. */
function expectProbabilities(found: { label: string; score: number }[], logits: number[], labels: string[]): void {
  expect(found.map(({ label }) => label).sort()).toEqual([...labels].sort());
  for (const { label, score } of found) expect(score).toBeCloseTo(sigmoid(logits[labels.indexOf(label)]), 4);
}

test('transformers.js: logits, labels with their probabilities, tags of tokens', () => {
  const asked = exported.map(({ problem, onnx, rows }): AskedFolder => {
    if (problem === 'tokens') return { folder: onnx, rows, task: 'token-classification' };
    return { folder: onnx, rows, options: { top_k: null } };
  });
  // biome-ignore lint/suspicious/noExplicitAny: answers of two pipelines
  const answers = transformersJs<any, any>(asked);
  for (const [i, each] of exported.entries()) {
    expectLogits('transformers.js', answers[i].logits, each);
    const labels = LABELS[each.problem]!;
    each.logits.forEach((row, at) => {
      if (each.problem === 'multi-label') expectProbabilities(answers[i].answers![at], row, labels);
      if (each.problem !== 'tokens') return;
      for (const { index, entity, score } of answers[i].answers![at]) {
        const ofToken = row.slice(index * labels.length, (index + 1) * labels.length);
        const best = ofToken.indexOf(Math.max(...ofToken));
        expect(entity).toBe(labels[best]);
        expect(score).toBeCloseTo(1 / ofToken.reduce((sum, logit) => sum + Math.exp(logit - ofToken[best]), 0), 4);
      }
    });
  }
});

withPyTorch('in Python', () => {
  interface Answers {
    ids: number[][];
    logits: Record<string, (number | number[])[][]>;
    // biome-ignore lint/suspicious/noExplicitAny: answers of two pipelines
    pipeline?: any[];
    scores?: number[];
  }
  let answers: Answers[];

  beforeAll(async () => {
    const env = { ...process.env, HF_HUB_OFFLINE: '1', ...(await pythonWith(PYTORCH, PYTORCH, temporary)) };
    const input = JSON.stringify(exported.map(({ encoded: _, logits: __, entities: ___, ...asked }) => asked));
    const program = path.join(__dirname, 'run_peers.py');
    answers = JSON.parse(execFileSync('python3', [program], { input, env, encoding: 'utf8', maxBuffer: 1 << 26 }));
  }, 1_500_000);

  test.each(['transformers', 'peft', 'second adapter', 'without PEFT', 'onnxruntime'])(
    '%s gives the logits',
    (tool) => {
      for (const [i, each] of exported.entries()) {
        expect([nameOf(each), answers[i].ids]).toEqual([nameOf(each), each.encoded.map(({ ids }) => Array.from(ids))]);
        expectLogits(tool, answers[i].logits[tool], each);
      }
    },
  );

  test("transformers' pipeline gives labels with their probabilities, and entities", () => {
    for (const [i, { problem, logits, entities }] of exported.entries()) {
      if (problem === 'multi-label') {
        for (const [row, found] of answers[i].pipeline!.entries()) {
          expectProbabilities(found.flat(), logits[row], LABELS[problem]!);
        }
      } else if (problem === 'relevance') {
        for (const [row, found] of answers[i].pipeline!.entries()) {
          expect(found.flat()[0].score).toBeCloseTo(sigmoid(logits[row][0]), 4);
        }
      } else if (entities) {
        const found = answers[i].pipeline!.map((row) =>
          row.map(({ entity_group, start, end, score }: Record<string, unknown>) => ({
            ...{ label: entity_group, start, end, score },
          })),
        );
        const expected = entities.map((row) =>
          row!.map(({ text: _, score, ...rest }) => ({ ...rest, score: expect.closeTo(score, 4) })),
        );
        expect(found).toEqual(expected);
        expect(expected.flat().length).toBeGreaterThan(8);
      }
    }
  });

  test('CrossEncoder gives the scores and numbers of pairs', () => {
    for (const [i, { problem, logits }] of exported.entries()) {
      if (problem !== 'relevance' && problem !== 'regression') continue;
      expect(answers[i].scores).toHaveLength(logits.length);
      for (const [row, score] of answers[i].scores!.entries()) {
        const [logit] = logits[row];
        expect(score).toBeCloseTo(problem === 'relevance' ? sigmoid(logit) : logit, 4);
      }
    }
  });
});
