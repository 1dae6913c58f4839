import { execFileSync } from 'node:child_process';
import * as path from 'node:path';
import type { ModelConfig } from '../model/config';

/** Speed of the machine's matrix products in float32, in floating-point operations per second. */
export const peakOfProducts = (python: string): number =>
  1e9 * Number(execFileSync(python, [path.join(__dirname, 'peer_peak.py')], { encoding: 'utf8' }));

/**
 * Floating-point operations of the matrix products of a training step that tunes k heads of each
 * layer of a BERT, on B full rows of S tokens. The last layer has the first tokens' queries alone,
 * which are left out here; the first layer has no gradient of its input.
 */
export function operationsOf(
  { layers, hiddenSize: d, intermediateSize, headDim }: ModelConfig,
  k: number,
  [B, S]: readonly [rows: number, tokens: number],
): number {
  const feedForward = 2 * d * intermediateSize;
  const layer = 4 * d * d + feedForward;
  const keysAndValues = 2 * d * d;
  const forward = (layers - 1) * layer + keysAndValues;
  const back = (layers - 2) * layer + d * d + feedForward + keysAndValues;
  const tunedRows = layers * k * 3 * headDim * d;
  const attention = (layers - 1) * 6 * S * d;
  return 2 * B * S * (forward + back + tunedRows + attention);
}
