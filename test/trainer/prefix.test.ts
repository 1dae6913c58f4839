import * as path from 'node:path';
import type { Precision } from '../../foundation/precision';
import type { Readout } from '../../model/architecture';
import { type Checkpoint, openCheckpoint } from '../../model/checkpoint';
import { prefixName } from '../../trainer/prefix';
import { FIXTURES } from '../support/deltas';

let base: Checkpoint;
beforeAll(async () => {
  base = await openCheckpoint(path.join(FIXTURES, 'tiny-modernbert-mean'));
  base.close();
});

const rows = [{ ids: Int32Array.of(2, 7, 3), typeIds: Uint8Array.of(0, 0, 0) }];
/** Name of the file for the base with other fields in config.json, and for another graph. */
const nameOf = (
  change: object = {},
  lowest = 3,
  reads: Readout = 'mean',
  padTokenId = 0,
  precision: Precision = 'float32',
) => {
  const config = { ...base.config, padTokenId, raw: { ...base.config.raw, ...change } };
  const engine = { device: 'cpu', precision };
  return prefixName({ checkpoint: { ...base, config }, program: { lowest, reads } }, rows, engine);
};

test("the file of the frozen layers' output is another one if what the task head reads is", () => {
  expect(nameOf()).toBe(nameOf());
  expect(new Set((['mean', 'first', 'every'] as const).map((reads) => nameOf({}, 3, reads))).size).toBe(3);
  // Below the last layer every token is stored, whatever the task head reads.
  expect(nameOf({}, 2, 'first')).toBe(nameOf({}, 2));
});

test('another precision has another file', () => {
  expect(nameOf({}, 2, 'mean', 0, 'bf16')).not.toBe(nameOf({}, 2));
});

test('the same weights have another file with another config.json', () => {
  const { raw } = base.config;
  const reversed = Object.fromEntries(Object.entries(raw).reverse());
  expect(nameOf(reversed)).toBe(nameOf());
  for (const change of [{ classifier_pooling: 'cls' }, { local_attention: 6 }, { hidden_activation: 'relu' }]) {
    expect([change, nameOf(change, 2)]).not.toEqual([change, nameOf({}, 2)]);
  }
  expect(nameOf({}, 2, 'mean', 1)).not.toBe(nameOf({}, 2));
});
