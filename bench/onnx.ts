import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { encodeRows } from '../data/batches';
import { readDataset } from '../data/read';
import { ONNX_FILES } from '../delta/onnx-folder';
import { follow } from '../foundation/follow';
import { openOnnxModel } from '../infra/onnx/onnx-model';
import { ONNX_DTYPES } from '../model/onnx-dtype';
import { loadTokenizer } from '../model/tokenizer';
import { spreadOf } from './candidate';

/** Number of sentences, in batches of {@link BATCH}. */
const SENTENCES = 128;
const BATCH = 32;
/** Timed rounds, each with all types in turn, after one round as warm-up. */
const ROUNDS = 5;

/**
 * Compares the files of an ONNX folder with all types. Reports bytes and the largest logit
 * difference from model.onnx in onnxruntime and transformers.js, and the seconds for 128 sentences
 * in onnxruntime on one core, with the types in turn.
 *
 *   node --require ./test/support/typescript-hook.cjs bench/onnx.ts FOLDER ROWS.tsv COLUMN
 */
async function benchOnnx(folder: string, file: string, column: string): Promise<void> {
  const dataset = await readDataset({ path: file, textColumns: [column] }, 'texts');
  const first = Int32Array.from({ length: Math.min(SENTENCES, dataset.rows) }, (_, row) => row);
  const models = [];
  for (const dtype of ONNX_DTYPES) models.push(await openOnnxModel(folder, { device: 'cpu', threads: 1 }, dtype));
  const [{ config }] = models;
  const rows = encodeRows(dataset, first, loadTokenizer(folder), Math.min(128, config.maxPositions), config);
  const seconds: number[][] = models.map(() => []);
  const logits: Float32Array[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [i, model] of models.entries()) {
      const started = performance.now();
      logits[i] = (await follow(model.logits(rows, BATCH), () => {})).values;
      if (round > 0) seconds[i].push((performance.now() - started) / 1000);
    }
  }
  for (const model of models) await model.close();
  const texts = Array.from(first, (row) => [dataset.texts[row]]);
  const program = path.join(__dirname, '../test/support/transformers-js.mjs');
  const input = JSON.stringify(ONNX_DTYPES.map((dtype) => ({ folder: path.resolve(folder), dtype, rows: texts })));
  const answers: { logits: number[][] }[] = JSON.parse(
    execFileSync(process.execPath, [program], {
      input,
      env: { ...process.env, NODE_OPTIONS: '' },
      encoding: 'utf8',
      maxBuffer: 1 << 28,
    }),
  );
  const largest = (a: ArrayLike<number>, b: ArrayLike<number>) =>
    Math.max(...Array.from(a, (value, i) => Math.abs(value - b[i]))).toPrecision(2);
  process.stdout.write(
    '| type | bytes | difference in onnxruntime | in transformers.js | seconds for 128 sentences |\n|---|---|---|---|---|\n',
  );
  const javaScript = answers.map(({ logits: found }) => found.flat());
  for (const [i, dtype] of ONNX_DTYPES.entries()) {
    const { size } = fs.statSync(path.join(folder, ONNX_FILES[dtype]));
    const { median, least, most } = spreadOf(seconds[i]);
    const taken = [median, least, most].map((value) => value.toFixed(3));
    const differences = [largest(logits[i], logits[0]), largest(javaScript[i], javaScript[0])];
    process.stdout.write(
      `| ${dtype} | ${size} | ${differences.join(' | ')} | ${taken[0]} (${taken[1]} … ${taken[2]}) |\n`,
    );
  }
}

const [folder, file, column] = process.argv.slice(2);
benchOnnx(folder, file, column);
