import * as fs from 'node:fs';
import * as path from 'node:path';
import { clearState, loadState, type SavedState, saveState } from '../../trainer/state';
import { temporaryFolder } from '../support/deltas';

const root = temporaryFolder('state');
afterAll(() => fs.rmSync(root, { recursive: true }));

const numbers = (first: number) => Float32Array.of(first, first + 1, Math.fround(0.1));
const saved: SavedState = {
  progress: { step: 7, lossSum: 0.1, lossRows: 9, seconds: 1.5, epochs: [], bestEpoch: 0 },
  training: { parameters: numbers(1), firstMoment: numbers(2), secondMoment: numbers(3) },
  best: numbers(4),
  bestLogits: new Float32Array(0),
};

/** Folder with a checkpoint and the partial file of a process that was killed at the next one. */
function interruptedState(): string {
  const folder = fs.mkdtempSync(path.join(root, 'run-'));
  saveState(folder, 'this run', saved);
  fs.writeFileSync(path.join(folder, '.hifi-01234567-89ab-cdef-0123-456789abcdef'), 'partial');
  return folder;
}

it('reads the checkpoint that it wrote, and removes partial files', () => {
  const folder = interruptedState();
  expect(loadState(folder, 'this run', 3)).toEqual(saved);
  expect(fs.readdirSync(folder)).toEqual(['training.safetensors']);
});

it('removes partial files before it writes the next checkpoint, and when it clears', () => {
  const folder = interruptedState();
  saveState(folder, 'this run', saved);
  expect(fs.readdirSync(folder)).toEqual(['training.safetensors']);
  const other = interruptedState();
  clearState(other);
  expect(fs.readdirSync(other)).toEqual([]);
});

it('reads, removes and clears nothing without a folder', () => {
  const folder = path.join(root, 'none');
  expect(loadState(folder, 'this run', 3)).toBeUndefined();
  expect(() => clearState(folder)).not.toThrow();
  expect(fs.existsSync(folder)).toBe(false);
});

it('rejects the checkpoint of another run, and one of another size', () => {
  const folder = interruptedState();
  expect(() => loadState(folder, 'another', 3)).toThrow(/belongs to another run/);
  expect(() => loadState(folder, 'this run', 4)).toThrow(/is damaged/);
});
