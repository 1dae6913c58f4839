import * as fs from 'node:fs';
import * as path from 'node:path';
import { writeDelta } from '../../delta/delta';
import { batchesOf, type Piece } from '../../inference/batches';
import { ReusedMemory } from '../../inference/reused-memory';
import { openServedModel, type ServedModel, type TaskHead } from '../../inference/served-model';
import { openCheckpoint } from '../../model/checkpoint';
import { FIXTURES, randomDelta, temporaryFolder } from '../support/deltas';

const folder = temporaryFolder('batches');
const memory = new ReusedMemory();
let model: ServedModel;

beforeAll(async () => {
  const base = path.join(FIXTURES, 'tiny-bert');
  const checkpoint = await openCheckpoint(base);
  writeDelta(folder, randomDelta(checkpoint, { heads: [[0], [1]], labels: ['a', 'b'] }));
  checkpoint.close();
  model = await openServedModel(base, 1);
});
afterAll(async () => {
  await model.close();
  fs.rmSync(folder, { recursive: true });
});

const headsOf = (count: number) => Array.from({ length: count }, () => model.read(folder, memory));

/** Window of this many tokens that some heads read. */
function pieceOf(tokens: number, heads: readonly TaskHead[]): Piece {
  return { window: { ids: new Int32Array(tokens).fill(5), typeIds: new Uint8Array(tokens) }, heads, take() {} };
}

describe('batches', () => {
  it.each<[windows: number, tokens: number, heads: number]>([
    [1, 64, 100],
    [3, 64, 100],
    [30, 9, 2],
    [1, 64, 1],
  ])('of %i windows of %i tokens have every one of %i heads once, at most 4,096 tokens', (windows, tokens, heads) => {
    const all = headsOf(heads);
    const pieces = Array.from({ length: windows }, () => pieceOf(tokens, all));
    const seen = new Map(pieces.map((piece) => [piece, [] as TaskHead[]]));
    for (const batch of batchesOf(pieces, model.config)) {
      const { B, S } = batch.tokens;
      expect(B * S * batch.heads.length).toBeLessThanOrEqual(4096);
      expect([B, batch.each]).toEqual([batch.pieces.length, false]);
      for (const piece of batch.pieces) seen.get(piece)!.push(...batch.heads);
    }
    for (const found of seen.values()) expect(found).toEqual(all);
  });

  it('of a window that is longer have one head', () => {
    const all = headsOf(3);
    const batches = [...batchesOf([pieceOf(5000, all)], { ...model.config, maxPositions: 8192 })];
    expect(batches.map(({ tokens: { B, S }, heads }) => [B, S, heads])).toEqual(all.map((head) => [1, 5000, [head]]));
  });

  it('of windows with a head each have at most 4,096 tokens', () => {
    const pieces = headsOf(9).map((head) => pieceOf(2000, [head]));
    const batches = [...batchesOf(pieces, { ...model.config, maxPositions: 8192 })];
    expect(batches.map(({ pieces, each }) => [pieces.length, each])).toEqual([
      ...[1, 2, 3, 4].map(() => [2, true]),
      [1, false],
    ]);
    expect(batches.flatMap((batch) => batch.pieces)).toEqual(pieces);
  });
});
