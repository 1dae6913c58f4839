import * as path from 'node:path';
import { randomStream } from '../../data/random';
import { tuningOf } from '../../delta/tuning';
import { loadTensorFlow } from '../../infra/tensorflow';
import { openCheckpoint } from '../../model/checkpoint';
import { partsOf } from '../../trainer/batch-parts';
import { Program } from '../../trainer/program';
import { type OfHeads, SequenceGradients, TASK_HEAD_ALONE } from '../../trainer/sequence-gradients';
import { TokenRows } from '../../trainer/token-rows';
import { trainable } from '../../trainer/trainable';
import { FIXTURES } from '../support/deltas';
import { maskOf } from './runs';

const tf = loadTensorFlow();
const LANES = [1, 3];
const base = path.join(FIXTURES, 'tiny-bert');
const objective = { problem: 'single-label' as const };

/** A batch of more parts than lanes, and one of fewer. */
const SHAPES = [
  [40, 60],
  [3, 9],
];

async function batches() {
  const checkpoint = await openCheckpoint(base);
  const random = randomStream(0, 'lanes');
  const tokens = new TokenRows(checkpoint);
  const made = SHAPES.map(([B, S]) => {
    const rows = Array.from({ length: B }, () => {
      const ids = Array.from({ length: 1 + random.int(S) }, () => 5 + random.int(checkpoint.config.vocabSize - 5));
      return { ids, typeIds: ids.map(() => 0) };
    });
    return { batch: tokens.batch(rows), targets: rows.map((_, i) => i % 2) };
  });
  return { checkpoint, made };
}

it('parts have each row once and at most 512 tokens, and an even number', () => {
  for (const [B, S] of [...SHAPES, [16, 128], [32, 16], [5, 600], [7, 200]]) {
    const mask = Float32Array.from({ length: B * S }, (_, i) => i);
    const targets = Float32Array.from({ length: 2 * B }, (_, i) => -i);
    const parts = partsOf({ rows: { hidden: mask }, mask, targets, B, S });
    expect(parts.flatMap((part) => [...part.mask])).toEqual([...mask]);
    expect(parts.flatMap((part) => [...part.targets!])).toEqual([...targets]);
    for (const part of parts) expect(part.targets).toHaveLength(2 * part.B);
    expect(B === 1 || B === parts.length || parts.length % 2 === 0).toBe(true);
    for (const part of parts) expect(part.B === 1 || part.B * S <= 512).toBe(true);
  }
});

it.each([
  ['the lowest layer', [[1, 3], [0]]],
  ['the upper layer, over a frozen one', [[], [0, 2]]],
])(
  'gradient, losses and logits have the same bits for any number of lanes: tuned are heads of %s',
  async (_, heads) => {
    const { checkpoint, made } = await batches();
    const tuning = tuningOf(checkpoint.config, await maskOf(heads, 'qkvo', base));
    const { layout, initial } = trainable(checkpoint, tuning, 2, 0);
    const results = LANES.map((lanes) => {
      const program = new Program(tf, { checkpoint, tuning, layout, outputs: 2, objective, lanes }, initial);
      const values = made.map(({ batch, targets }, step) => {
        const frozen = program.frozen(batch);
        const { loss, norm, gradient } = program.gradient(frozen, targets, { seed: 1, step });
        const numbers = gradient.values();
        gradient.dispose();
        return {
          frozen,
          loss,
          norm,
          numbers,
          evaluated: program.loss(frozen, targets),
          logits: program.logits(frozen),
        };
      });
      program.close();
      return values;
    });
    expect(results[0].every(({ norm }) => norm > 0)).toBe(true);
    for (const result of results.slice(1)) expect(result).toEqual(results[0]);
    checkpoint.close();
  },
);

it.each<OfHeads>(['gates', 'squares'])('%s have the same bits for any number of lanes', async (ofHeads) => {
  const { checkpoint, made } = await batches();
  const { layout, initial } = trainable(checkpoint, TASK_HEAD_ALONE, 2, 0);
  const results = LANES.map((lanes) => {
    const gradients = new SequenceGradients(tf, { checkpoint, layout, outputs: 2, objective, lanes }, ofHeads, 'qkv');
    const values = made.map(({ batch, targets }) => gradients.at(initial, batch, targets));
    gradients.close();
    return values;
  });
  const { layers, heads } = checkpoint.config;
  expect(results[0].map((each) => each.map(({ length }) => length))).toEqual(
    SHAPES.map(([B]) => new Array(layers).fill(B * heads)),
  );
  for (const result of results.slice(1)) expect(result).toEqual(results[0]);
  checkpoint.close();
});
