import * as fs from 'node:fs';
import * as path from 'node:path';
import { z } from 'zod';
import { didYouMean } from '../data/nearest';
import type { TrainMetrics } from '../delta/training-options';
import { HifiError, invalidInput } from '../foundation/errors';
import { readRegularFile } from '../foundation/regular-file';
import { writeWhole } from '../foundation/whole-file';
import type { HeadReport } from '../heads/head-report';
import { checkedMask, type Mask, STRATEGIES } from '../heads/mask';
import { tuneRule } from '../heads/options';
import { type HeadScores, NEURON_SCORE_STRATEGIES, SCORE_STRATEGIES } from '../heads/scores';
import { unitsPerLayer } from '../heads/select';
import { ONNX_DTYPES } from '../model/onnx-dtype';
import { errorAnalysisRule } from './error-analysis-rule';
import { count, list, number, object, oneOf, positive, text } from './result-rules';

/** The JSON results of a job, by the names of their files. */
export interface ResultFiles {
  'heads.json': HeadReport;
  'scores.json': HeadScores;
  'mask.json': Mask;
  'metrics.json': TrainMetrics;
}
export type ResultName = keyof ResultFiles;

const SAMPLES = 'a whole number from 1, or auto';
const SHA256 = 'a SHA-256: 64 hexadecimal digits, lower case';
const sha256 = z.string(SHA256).regex(/^[0-9a-f]{64}$/, SHA256);
const version = z.literal(1, '1, the only known version');
const perHead = list(list(number));

const measuredModel = object({
  name: text,
  sha256,
  architecture: text,
  layers: positive,
  heads: positive,
  headDim: positive,
  hiddenSize: positive,
  parameters: positive,
  headParameters: object({ q: count, k: count, v: count, o: count, groupSize: positive }).optional(),
  layerParameters: object({ matrices: count, projections: count }).optional(),
  neurons: object({ perLayer: positive, parameters: positive }).optional(),
});
const measuredData = object({ path: text, sha256, rows: positive, sampleIds: list(count) });

const headsSchema: z.ZodType<HeadReport> = object({
  schemaVersion: version,
  model: measuredModel,
  data: measuredData,
  // Recorded only: nothing is computed from them.
  options: object({
    samples: z.union([z.literal('auto'), z.int(SAMPLES).min(1, SAMPLES)], SAMPLES),
    maxSamples: positive,
    k: positive,
    xi: number,
    maxLength: positive,
    seed: count,
    exact: z.boolean('true or false'),
    correlation: oneOf(['pearson', 'covariance']),
    teleport: oneOf(['richness', 'uniform']),
    damping: number,
    scope: oneOf(['layer', 'model']),
  }).partial() as unknown as z.ZodType<HeadReport['options']>,
  samples: positive,
  richness: perHead,
  richnessStderr: list(list(number.nullable())),
  richnessByXi: z.record(z.string(), perHead, 'an object of ξ → [layers][heads]'),
  correlation: object({ pearson: perHead, covariance: perHead }),
  pagerank: perHead,
  activation: perHead,
  headNorms: perHead,
  stability: perHead.nullable(),
  rankCorrelations: list(object({ richness: number, correlationSum: number })),
  spectrum: list(list(list(number))),
  iterations: count,
  deviceUsed: oneOf(['cpu', 'cuda']),
  elapsedSeconds: number,
});

const scoresSchema: z.ZodType<HeadScores> = object({
  schemaVersion: version,
  strategy: oneOf([...new Set([...SCORE_STRATEGIES, ...NEURON_SCORE_STRATEGIES])]),
  model: measuredModel,
  data: measuredData,
  // Older scores are for Q, K and V.
  options: object({ samples: positive, maxLength: positive, tune: tuneRule.default('qkv') }),
  seed: count,
  samples: positive,
  scores: list(list(number.min(0, 'a number from 0'))),
  scoresStderr: list(list(number.nullable())),
  warmUp: object({ epochs: positive, steps: positive, lr: number, firstLoss: number, lastLoss: number }).nullable(),
  deviceUsed: oneOf(['cpu', 'cuda']),
  elapsedSeconds: number,
});

const maskSchema: z.ZodType<Mask> = object({
  schemaVersion: version,
  model: object({ name: text, sha256 }),
  strategy: oneOf(STRATEGIES),
  k: count.optional(),
  budget: number.optional(),
  tune: tuneRule,
  heads: list(object({ layer: count, head: count, score: number })),
  neurons: list(object({ layer: count, index: count, score: number })).optional(),
  trainableParameters: count,
  totalParameters: positive,
  share: number,
});

const metricsSchema: z.ZodType<TrainMetrics> = object({
  task: text.nullable(),
  metric: text,
  best: object({ epoch: count, value: number }),
  resumedFromStep: count.nullable(),
  epochs: list(
    object({
      epoch: positive,
      trainLoss: number,
      dev: z.record(z.string(), number),
      thresholds: list(number).optional(),
      seconds: number,
    }),
  ),
  trainableParameters: count,
  taskHeadParameters: count,
  peakRssBytes: count,
  seed: count,
  deviceUsed: oneOf(['cpu', 'cuda']),
  precision: z.literal('bf16', '"bf16"').optional(),
  errorAnalysis: errorAnalysisRule.optional(),
  learningRate: object({
    lr: number,
    reason: text,
    tried: list(object({ lr: number, loss: number.nullable() })),
    rows: count,
    seconds: number,
  }).optional(),
  devDuplicates: count.optional(),
  onnx: list(
    object({
      dtype: oneOf(ONNX_DTYPES),
      file: text,
      bytes: positive,
      largestDifference: number,
      dev: z.record(z.string(), number).optional(),
    }),
  ).optional(),
});

/**
 * Reads heads.json and checks it.
 *
 * @param file path of the file
 * @returns content of the file
 * @throws HifiError INVALID_INPUT: one line with the file, the field, its value and what would be
 *   right
 */
export function readHeads(file: string): HeadReport {
  const report = check(file, readJson(file), headsSchema);
  checkShapes(file, report);
  return report;
}

/**
 * Reads scores.json and checks it.
 *
 * @param file path of the file
 * @returns content of the file
 * @throws HifiError INVALID_INPUT: one line with the file, the field, its value and what would be
 *   right
 */
export function readScores(file: string): HeadScores {
  const scores = check(file, readJson(file), scoresSchema);
  const { model, options } = scores;
  const perLayer = unitsPerLayer(model, options.tune);
  checkMatrices(file, { layers: model.layers, perLayer, units: options.tune === 'neurons' ? 'neurons' : 'heads' }, [
    ['scores', scores.scores, model.layers, perLayer],
    ['scoresStderr', scores.scoresStderr, model.layers, perLayer],
  ]);
  return scores;
}

/**
 * Reads mask.json and checks it. A handwritten mask may list its heads in any order: they are
 * sorted by layer, then head.
 *
 * @param file path of the file
 * @returns content of the file
 * @throws HifiError INVALID_INPUT: one line with the file, the field, its value and what would be
 *   right
 */
export function readMask(file: string): Mask {
  const mask = check(file, readJson(file), maskSchema);
  try {
    return checkedMask(mask, undefined, '');
  } catch (thrown) {
    throw invalidInput(`${file}: ${HifiError.from(thrown).message}`, thrown);
  }
}

/**
 * Reads metrics.json and checks it.
 *
 * @param file path of the file
 * @returns content of the file
 * @throws HifiError INVALID_INPUT: one line with the file, the field, its value and what would be
 *   right
 */
export function readMetrics(file: string): TrainMetrics {
  return check(file, readJson(file), metricsSchema);
}

const READERS: { [N in ResultName]: (file: string) => ResultFiles[N] } = {
  'heads.json': readHeads,
  'scores.json': readScores,
  'mask.json': readMask,
  'metrics.json': readMetrics,
};

/**
 * Reads a result by its name and checks it.
 *
 * @throws HifiError INVALID_INPUT: one line with the file, the field, its value and what would be
 *   right
 */
export const readResult = <N extends ResultName>(name: N, file: string): ResultFiles[N] => READERS[name](file);

/** JSON text of a result: below 64 KiB indented for people, from there on one line. */
export function resultText(value: unknown): string {
  const line = JSON.stringify(value);
  return `${line.length < 65_536 ? JSON.stringify(value, null, 2) : line}\n`;
}

/**
 * Writes a result as JSON, whole or not at all.
 *
 * @param file path of the file; missing folders above it are created
 * @param value result of `analyze`, `score`, `select` or `train`
 */
export function writeJson(file: string, value: unknown): void {
  writeWhole(file, resultText(value));
}

/**
 * @throws HifiError INVALID_INPUT if the file is missing, with the nearest name beside it, or is
 *   not JSON
 */
function readJson(file: string): unknown {
  const content = readRegularFile(file);
  if (content === undefined) throw invalidInput(`${file}: no such file${nearestSibling(file)}`);
  try {
    return JSON.parse(content.toString('utf8'));
  } catch (error) {
    throw invalidInput(`${file} is not JSON: ${(error as Error).message.split('\n')[0]}`, error);
  }
}

function check<T>(file: string, value: unknown, schema: z.ZodType<T>): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const { path: field, message } = parsed.error.issues[0];
  const named = field.length === 0 ? 'its content' : fieldName(field);
  throw invalidInput(`${file}: ${named} is ${shown(valueAt(value, field))}; it must be ${message}`, parsed.error);
}

const fieldName = (field: readonly PropertyKey[]) =>
  field
    .map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`))
    .join('')
    .replace(/^\./, '');

const valueAt = (value: unknown, field: readonly PropertyKey[]): unknown =>
  field.reduce<unknown>((at, part) => (at as Record<PropertyKey, unknown> | null | undefined)?.[part], value);

function shown(value: unknown): string {
  if (value === undefined) return 'missing';
  const json = JSON.stringify(value);
  return json.length > 40 ? `${json.slice(0, 40)}…` : json;
}

/** Checks that all parts of a report have one size, so that no ranking misses a head. */
function checkShapes(file: string, report: HeadReport): void {
  const { layers, heads } = report.model;
  const nodes = layers * heads;
  checkMatrices(file, { layers, perLayer: heads, units: 'heads' }, [
    ['richness', report.richness, layers, heads],
    ['richnessStderr', report.richnessStderr, layers, heads],
    ...Object.entries(report.richnessByXi).map(
      ([xi, values]) => [`richnessByXi["${xi}"]`, values, layers, heads] as [string, number[][], number, number],
    ),
    ['correlation.pearson', report.correlation.pearson, nodes, nodes],
    ['correlation.covariance', report.correlation.covariance, nodes, nodes],
    ['pagerank', report.pagerank, layers, heads],
    ['activation', report.activation, layers, heads],
    ['headNorms', report.headNorms, layers, heads],
    ['stability', report.stability, layers, heads],
  ]);
}

type NamedMatrix = [name: string, matrix: readonly unknown[][] | null, rows: number, columns: number];

function checkMatrices(
  file: string,
  { layers, perLayer, units }: { layers: number; perLayer: number; units: string },
  matrices: readonly NamedMatrix[],
): void {
  for (const [name, matrix, rows, columns] of matrices) {
    if (matrix === null) continue;
    if (matrix.length !== rows) {
      throw invalidInput(
        `${file}: ${name} has ${matrix.length} rows; with ${layers} layers of ${perLayer} ${units} it must have ${rows}`,
      );
    }
    const wrong = matrix.findIndex((row) => row.length !== columns);
    if (wrong >= 0) {
      throw invalidInput(
        `${file}: ${name}[${wrong}] has ${matrix[wrong].length} entries; with ${perLayer} ${units} per layer it must have ${columns}`,
      );
    }
  }
}

function nearestSibling(file: string): string {
  try {
    return didYouMean(path.basename(file), fs.readdirSync(path.dirname(file)));
  } catch {
    return '';
  }
}
