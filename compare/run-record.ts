import * as fs from 'node:fs';
import * as path from 'node:path';
import type { Quality } from '../delta/metrics';
import { writeJson } from '../job/files';
import { fileNameOf, type Method } from './methods';

/** Identity of a run: a training, or a fit of logistic regression. */
export interface RunKey {
  /** Method; result files fix the name of this field. */
  contestant: Method;
  seed: number;
  /** Null for logistic regression. */
  lr: number | null;
}

/** Content of `runs/NAME.json`: the result of a run. */
export interface RunRecord extends RunKey {
  schemaVersion: 1;
  /** Training rows, and dev rows, which choose the epoch, the learning rate or the penalty. */
  rows: { train: number; dev: number };
  /** Metric that decides; larger is better. */
  metric: string;
  /**
   * Best epoch's value on the dev rows, with its loss if that decides. Null if the training failed:
   * see `failure`.
   */
  dev: (Quality & { epoch: number | null }) | null;
  failure?: string;
  /** Metrics of all test rows; null for a learning rate that was not the best. */
  test: { rows: number; metrics: Record<string, number> } | null;
  /** Chosen heads, as [layer, head]; none for logistic regression. */
  heads: [layer: number, head: number][];
  /** Trainable parameters of the base and of the task head (or regression); all of the base. */
  trainableParameters: number;
  taskHeadParameters: number;
  totalParameters: number;
  /** Inverse penalty of logistic regression. */
  c?: number;
  /** Wall times: measuring heads, shared by all runs of a seed; the run; the test. */
  seconds: { selection: number; run: number; test: number };
  peakRssBytes: number | null;
}

/** Name of a run's file, without its extension. */
export const runName = ({ contestant, seed, lr }: RunKey) =>
  `${fileNameOf(contestant)}-seed${seed}${lr === null ? '' : `-lr${lr}`}`;

const fileOf = (out: string, key: RunKey) => path.join(out, 'runs', `${runName(key)}.json`);

/** Folder of a rung's records, in that of a comparison. */
export const rungFolder = (out: string, epochs: number) => path.join(out, 'rungs', `${epochs}-epochs`);

/** Reads a run's result; undefined if the run has not ended or its file is damaged. */
export function readRun(out: string, key: RunKey): RunRecord | undefined {
  try {
    const record: RunRecord = JSON.parse(fs.readFileSync(fileOf(out, key), 'utf8'));
    return record.schemaVersion === 1 && runName(record) === runName(key) ? record : undefined;
  } catch {
    return undefined;
  }
}

/** Learning rates of a method's stored runs of a seed, ascending; none if there is no folder. */
export function searchedRates(out: string, contestant: Method, seed: number): number[] {
  const start = `${fileNameOf(contestant)}-seed${seed}-lr`;
  const folder = path.join(out, 'runs');
  const names = fs.existsSync(folder) ? fs.readdirSync(folder).filter((name) => name.startsWith(start)) : [];
  return names.map((name) => Number(path.basename(name.slice(start.length), '.json'))).sort((a, b) => a - b);
}

/** Stores a run's result, whole or not at all. */
export function writeRun(out: string, record: RunRecord): void {
  writeJson(fileOf(out, record), record);
}
