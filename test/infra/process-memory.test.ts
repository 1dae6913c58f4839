import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { treePeakBytes } from '../../infra/process-memory';

test('the peak of the process tree counts a living child, and what it has held before', async () => {
  const alone = treePeakBytes();
  expect(alone).toBeGreaterThan(2 ** 20);
  const held = 'let held = Buffer.alloc(3e8, 1); held = undefined; console.log("ready"); setInterval(() => {}, 1000)';
  const child = spawn(process.execPath, ['-e', held], { stdio: ['ignore', 'pipe', 'ignore'] });
  await once(child.stdout, 'data');
  expect(treePeakBytes()).toBeGreaterThan(alone + 3e8);
  child.kill();
  await once(child, 'exit');
  expect(treePeakBytes(child.pid as number)).toBe(0);
});
