import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { peakOf, peakResidentBytes, treeResidentBytes } from '../../foundation/process-memory';

/** Starts a child that runs a script, and waits until that has printed something. */
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

test('what the process tree holds counts a living child, and not what it has given back', async () => {
  const keeps = await running('globalThis.held = Buffer.alloc(3e8, 1)');
  const gaveBack = await running('let held = Buffer.alloc(3e8, 1); held = undefined; gc()');
  const [kept, left] = [keeps, gaveBack].map(({ pid }) => treeResidentBytes(pid as number));
  expect(kept).toBeGreaterThan(3e8);
  expect(left).toBeGreaterThan(2 ** 20);
  expect(left).toBeLessThan(3e8);
  expect(peakOf(String(gaveBack.pid))).toBeGreaterThan(3e8);
  expect(treeResidentBytes()).toBeGreaterThan(kept + left);
  for (const child of [keeps, gaveBack]) {
    child.kill();
    await once(child, 'exit');
    expect(treeResidentBytes(child.pid as number)).toBe(0);
  }
});
