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
};

/** A folder with a checkpoint, and what a process that was killed at the next one has left. */
function cutState(): string {
  const folder = fs.mkdtempSync(path.join(root, 'run-'));
  saveState(folder, 'this run', saved);
  fs.writeFileSync(path.join(folder, '.hifi-01234567-89ab-cdef-0123-456789abcdef'), 'cut');
  return folder;
}

it('reads what it wrote, and sweeps what was cut', () => {
  const folder = cutState();
  expect(loadState(folder, 'this run', 3)).toEqual(saved);
  expect(fs.readdirSync(folder)).toEqual(['training.safetensors']);
});

it('sweeps what was cut before it writes the next, and when it clears', () => {
  const folder = cutState();
  saveState(folder, 'this run', saved);
  expect(fs.readdirSync(folder)).toEqual(['training.safetensors']);
  const other = cutState();
  clearState(other);
  expect(fs.readdirSync(other)).toEqual([]);
});

it('has nothing to read, sweep or clear where there is no folder', () => {
  const folder = path.join(root, 'none');
  expect(loadState(folder, 'this run', 3)).toBeUndefined();
  expect(() => clearState(folder)).not.toThrow();
  expect(fs.existsSync(folder)).toBe(false);
});

it('refuses the state of another run, and one of other numbers', () => {
  const folder = cutState();
  expect(() => loadState(folder, 'another', 3)).toThrow(/is of another run/);
  expect(() => loadState(folder, 'this run', 4)).toThrow(/is damaged/);
});
