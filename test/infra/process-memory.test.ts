import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { treePeakBytes, treeResidentBytes } from '../../infra/process-memory';

/** Starts a child that runs a script, and waits until it prints something. */
async function running(script: string) {
  const args = ['--expose-gc', '-e', `${script}; console.log("ready"); setInterval(() => {}, 1000)`];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  await once(child.stdout, 'data');
  return child;
}

test('the peak of the process tree counts a living child and its released memory', async () => {
  const alone = treePeakBytes();
  expect(alone).toBeGreaterThan(2 ** 20);
  const child = await running('let held = Buffer.alloc(3e8, 1); held = undefined');
  expect(treePeakBytes()).toBeGreaterThan(alone + 3e8);
  child.kill();
  await once(child, 'exit');
  expect(treePeakBytes(child.pid as number)).toBe(0);
});

test('the resident memory of the process tree counts a living child, but not its released memory', async () => {
  const holding = await running('globalThis.held = Buffer.alloc(3e8, 1)');
  const released = await running('let held = Buffer.alloc(3e8, 1); held = undefined; gc()');
  const [full, freed] = [holding, released].map(({ pid }) => treeResidentBytes(pid as number));
  expect(full).toBeGreaterThan(3e8);
  expect(freed).toBeGreaterThan(2 ** 20);
  expect(freed).toBeLessThan(3e8);
  expect(treePeakBytes(released.pid as number)).toBeGreaterThan(3e8);
  expect(treeResidentBytes()).toBeGreaterThan(full + freed);
  for (const child of [holding, released]) {
    child.kill();
    await once(child, 'exit');
    expect(treeResidentBytes(child.pid as number)).toBe(0);
  }
});
