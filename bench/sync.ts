/*
 * Cost of syncing a file to the disk before its rename: writes of a safetensors file with and
 * without fsync, in turn.
 *
 *   node --require ./test/support/typescript-hook.cjs bench/sync.ts [FOLDER]
 */
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { FolderArtifacts } from '../infra/artifacts/folder-store';
import { writeSafetensors } from '../model/safetensors';

/** Float32 numbers of a tiny model's checkpoint, MiniLM's delta and its merged checkpoint. */
const SIZES = { 'a small checkpoint': 28_750, 'a delta': 825_000, 'a model': 22_500_000 };
const ROUNDS = 7;

const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1];
const folder = fs.mkdtempSync(path.join(process.argv[2] ?? os.tmpdir(), 'hifi-sync-'));
const { fsyncSync } = fs;

/** Measures one write, in milliseconds. */
function write(file: string, size: number, synced: boolean): number {
  const bytes = new Uint8Array(4 * size).fill(Math.random() * 256);
  Object.assign(fs, { fsyncSync: synced ? fsyncSync : () => {} });
  const began = performance.now();
  writeSafetensors(file, [{ name: 'x', dtype: 'F32', shape: [size], bytes: () => bytes }]);
  return performance.now() - began;
}

async function main(): Promise<void> {
  for (const [what, size] of Object.entries(SIZES)) {
    for (const replaced of [true, false]) {
      const seconds: Record<'synced' | 'not', number[]> = { synced: [], not: [] };
      for (let round = 0; round < ROUNDS; round++) {
        for (const how of ['synced', 'not'] as const) {
          const file = path.join(folder, how);
          if (!replaced) fs.rmSync(file, { force: true });
          seconds[how].push(write(file, size, how === 'synced'));
        }
      }
      const [synced, not] = [median(seconds.synced), median(seconds.not)];
      const place = replaced ? 'in the place of another' : 'new';
      const ratio = (synced / not).toFixed(2);
      console.log(
        `${what}, ${4 * size} bytes, ${place}: ${synced.toFixed(1)} ms synced, ${not.toFixed(1)} ms not, ratio ${ratio}`,
      );
    }
    const { sha256 } = await new FolderArtifacts(folder).add(path.join(folder, 'synced'));
    const began = performance.now();
    await new FolderArtifacts(folder).isWhole(sha256);
    console.log(`${what}: checked at its first use in ${(performance.now() - began).toFixed(1)} ms`);
  }
}

main().finally(() => fs.rmSync(folder, { recursive: true }));
