import { execFileSync } from 'node:child_process';
import * as path from 'node:path';
import type { OnnxDtype } from '../../model/onnx-dtype';

/** Request to `transformers-js.mjs`. */
export interface AskedFolder {
  folder: string;
  dtype?: OnnxDtype;
  task?: 'text-classification' | 'token-classification';
  /** Options of the pipeline's call. */
  options?: object;
  rows: string[][];
}

/** Answer of `transformers-js.mjs` to a request. */
export interface FolderAnswers<Logits = number[], Answer = { label: string; score: number }> {
  logits: Logits[];
  answers: Answer[] | null;
  inputs: string[];
}

/** Runs exported folders in transformers.js, in one process of its own. */
export const transformersJs = <Logits = number[], Answer = { label: string; score: number }>(
  asked: readonly AskedFolder[],
): FolderAnswers<Logits, Answer>[] =>
  JSON.parse(
    execFileSync(process.execPath, [path.join(__dirname, 'transformers-js.mjs')], {
      input: JSON.stringify(asked),
      env: { ...process.env, NODE_OPTIONS: '' },
      encoding: 'utf8',
    }),
  );
