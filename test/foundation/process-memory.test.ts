import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { peakOf, peakResidentBytes, treeResidentBytes } from '../../foundation/process-memory';

/** Starts a child that runs a script, and waits until it prints something. */
async function running(script: string) {
  const args = ['--expose-gc', '-e', `${script}; console.log("ready"); setInterval(() => {}, 1000)`];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  await once(child.stdout, 'data');
  return child;
}

test('the peak of a process is what it has held before, and that of an engine counts its parent', async () => {
  const child = await running('let held = Buffer.alloc(3e8, 1); held = undefined');
  expect(peakOf(String(child.pid))).toBeGreaterThan(3e8);
  const both = peakOf('self') + peakOf(String(process.ppid));
  expect(peakResidentBytes()).toBeGreaterThanOrEqual(both);
  expect(both).toBeGreaterThan(peakOf('self') + 2 ** 20);
  child.kill();
  await once(child, 'exit');
  expect(peakOf(String(child.pid))).toBe(0);
});

test('the resident memory of the process tree counts a living child, but not its released memory', async () => {
  const holding = await running('globalThis.held = Buffer.alloc(3e8, 1)');
  const released = await running('let held = Buffer.alloc(3e8, 1); held = undefined; gc()');
  const [full, freed] = [holding, released].map(({ pid }) => treeResidentBytes(pid as number));
  expect(full).toBeGreaterThan(3e8);
  expect(freed).toBeGreaterThan(2 ** 20);
  expect(freed).toBeLessThan(3e8);
  expect(peakOf(String(released.pid))).toBeGreaterThan(3e8);
  expect(treeResidentBytes()).toBeGreaterThan(full + freed);
  for (const child of [holding, released]) {
    child.kill();
    await once(child, 'exit');
    expect(treeResidentBytes(child.pid as number)).toBe(0);
  }
});
