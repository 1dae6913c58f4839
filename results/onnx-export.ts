import * as fs from 'node:fs';
import * as path from 'node:path';
import type { Encoded } from '../data/batches';
import { randomStream } from '../data/random';
import { failed } from '../errors';
import { publishFolderWhen } from '../files/whole-folder';
import type { Checkpoint } from '../model/checkpoint';
import type { ModelConfig } from '../model/config';
import { FAMILIES, type Family } from '../model/families';
import { classifierModel } from '../model/graph';
import { MAX_WEIGHT_BYTES, type WeightsFile, writeWeights } from '../model/onnx';
import { loadTokenizer } from '../model/tokenizer';
import { classifierConfig } from './classifier-config';
import { applyDelta, type Delta } from './delta';
import { outputsOf } from './delta-info';
import { logitsOnnx } from './engine';
import type { Logits } from './logits';
import { ONNX_MODEL } from './onnx-folder';
import { writeOnnxTokenizer } from './onnx-tokenizer';

export interface OnnxExport {
  checkpoint: Checkpoint;
  delta: Delta;
  /** New or empty folder; it appears whole or not at all. */
  out: string;
  /** The trainer's own logits of token rows, which the file's are compared with before it appears. */
  reference(rows: readonly Encoded[]): Promise<Logits>;
  /** Weights that take more bytes lie in a file of their own; by default what one ONNX file can hold, 2 GB. */
  oneFileBytes?: number;
  signal?: AbortSignal;
}

/** How far the file's logits may be from the trainer's; of logits above 1 that part of them. */
const TOLERANCE = 1e-4;

/**
 * Writes the base with the delta merged in and its task head as an ONNX folder that transformers.js and onnxruntime load
 * (docs/method.md): inputs as the tokenizer gives them, output `logits`. Its logits of drawn rows are compared with the trainer's
 * first.
 *
 * @throws INVALID_INPUT where the delta is not the base's or `out` holds something; FAILED where the logits differ
 */
export async function exportOnnx(request: OnnxExport): Promise<void> {
  const { checkpoint, delta, out, reference, oneFileBytes = MAX_WEIGHT_BYTES, signal } = request;
  const { config, folder: base } = checkpoint;
  const merged = applyDelta(checkpoint, delta);
  const tensor = (canonical: string) => merged.get(canonical)?.() ?? checkpoint.tensor(canonical);
  const segments = hasSegments(checkpoint);
  await publishFolderWhen(out, async (folder) => {
    const file = path.join(folder, ONNX_MODEL);
    fs.mkdirSync(path.dirname(file));
    const end = { outputs: outputsOf(delta.info), segments };
    const build = (weights?: WeightsFile) => classifierModel({ config, tensor }, end, weights);
    const apart = checkpoint.parameters * Float32Array.BYTES_PER_ELEMENT > oneFileBytes;
    fs.writeFileSync(file, apart ? writeWeights(path.dirname(file), build, `${path.basename(file)}_data`) : build());
    const described = {
      ...classifierConfig(config, delta.info, 'F32'),
      // In a browser transformers.js would look for a quantized model, and for the weights where the model is.
      'transformers.js_config': { dtype: 'fp32', ...(apart && { use_external_data_format: true }) },
    };
    fs.writeFileSync(path.join(folder, 'config.json'), `${JSON.stringify(described, null, 2)}\n`);
    writeOnnxTokenizer(base, folder, config, segments);
    const rows = drawnRows(config, segments);
    const options = { batchSize: 8, maxLength: config.maxPositions, device: 'cpu' as const };
    compare(await resultOf(logitsOnnx({ folder, rows, options }, signal)), await reference(rows));
  });
}

/** Whether the model tells segments apart and its tokenizer gives them. */
function hasSegments({ config, folder }: Checkpoint): boolean {
  const family: Family = FAMILIES[config.family];
  if (!family.modules.tokenTypeEmbeddings || config.typeVocabSize < 2) return false;
  return loadTokenizer(folder)
    .encode('a', 'a', config.maxPositions)
    .typeIds.some((type) => type > 0);
}

/** Rows of the check. */
const DRAWN_ROWS = 16;

/** Rows of any tokens that the model knows, from one token to its limit, the later half of a row in the second segment. */
function drawnRows({ vocabSize, maxPositions }: ModelConfig, segments: boolean): Encoded[] {
  const random = randomStream(0, 'onnx/check');
  return Array.from({ length: DRAWN_ROWS }, (_, i) => {
    const length = i === 0 ? maxPositions : 1 + random.int(Math.min(maxPositions, 4 * i));
    const ids = Array.from({ length }, () => random.int(vocabSize));
    return { ids, typeIds: ids.map((_, at) => (segments && 2 * at > length ? 1 : 0)) };
  });
}

function compare(found: Logits, expected: Logits): void {
  found.values.forEach((logit, i) => {
    const right = expected.values[i];
    if (Math.abs(logit - right) <= TOLERANCE * Math.max(1, Math.abs(right))) return;
    const what = `row ${Math.floor(i / expected.outputs)} of the check has the logit ${logit}, the trainer's is ${right}`;
    throw failed(`the ONNX model is not exact, so it was not written: ${what}`);
  });
}

/** Runs an engine's call to its end, whatever it tells on its way. */
export async function resultOf<Result>(events: AsyncGenerator<unknown, Result>): Promise<Result> {
  for (;;) {
    const { done, value } = await events.next();
    if (done) return value;
  }
}
