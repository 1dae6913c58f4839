import * as fs from 'node:fs';
import * as path from 'node:path';
import type { Judged } from '../delta/metrics';
import { writeJson } from '../job/files';
import type { Contestant } from './contestants';

/** One run of one contestant: a training, or a fit of logistic regression. */
export interface RunKey {
  contestant: Contestant;
  seed: number;
  /** Null for logistic regression. */
  lr: number | null;
}

/** `runs/NAME.json`: what a run came to. */
export interface RunRecord extends RunKey {
  schemaVersion: 1;
  /** Rows trained on, and those that the epoch, the learning rate or the penalty is chosen by. */
  rows: { train: number; dev: number };
  /** The metric that decides, all of it larger is better. */
  metric: string;
  /**
   * Best epoch's value on the dev rows, with its loss if that decides. Null if the training failed:
   * see `failure`.
   */
  dev: (Judged & { epoch: number | null }) | null;
  failure?: string;
  /** All that are left; null for a learning rate that was not the best. */
  test: { rows: number; metrics: Record<string, number> } | null;
  /** Chosen heads, as [layer, head]; none for logistic regression. */
  heads: [layer: number, head: number][];
  /** Tuned numbers of the base, of the task head (or the regression), and all of the base's. */
  trainableParameters: number;
  taskHeadParameters: number;
  totalParameters: number;
  /** Inverse penalty of logistic regression. */
  c?: number;
  /** Wall times: heads measured and scored (shared by all runs of a seed), the run, the test. */
  seconds: { selection: number; run: number; test: number };
  peakRssBytes: number | null;
}

/** A file's name, without its ending. */
export const runName = ({ contestant, seed, lr }: RunKey) =>
  `${contestant}-seed${seed}${lr === null ? '' : `-lr${lr}`}`;

const fileOf = (out: string, key: RunKey) => path.join(out, 'runs', `${runName(key)}.json`);

/** What a run came to before; undefined where it has not ended, or its file is damaged. */
export function readRun(out: string, key: RunKey): RunRecord | undefined {
  try {
    const record: RunRecord = JSON.parse(fs.readFileSync(fileOf(out, key), 'utf8'));
    return record.schemaVersion === 1 && runName(record) === runName(key) ? record : undefined;
  } catch {
    return undefined;
  }
}

/** Keeps a run, whole or not at all. */
export function writeRun(out: string, record: RunRecord): void {
  writeJson(fileOf(out, record), record);
}
