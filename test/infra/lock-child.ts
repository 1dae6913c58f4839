import * as fs from 'node:fs';
import { lockFor } from '../../infra/process-lock';

/**
 * Takes a lock on request. `{ file, at }`: once, from that time on, and holds it until the next
 * message. `{ file, at, times }`: that many times, releasing it at once each time. A folder that
 * only one process can create reveals a second holder.
 */
let unlock = () => {};
process.on('message', ({ file, at, times }: { file: string; at: number; times?: number }) => {
  unlock();
  unlock = () => {};
  while (Date.now() < at);
  let [held, twice] = [0, 0];
  for (let i = 0; i < (times ?? 1); i++) {
    try {
      unlock = lockFor(file, 'it');
    } catch (error) {
      if (/^it is in use by process \d+: /.test((error as Error).message)) continue;
      throw error;
    }
    held++;
    if (times === undefined) continue;
    try {
      fs.mkdirSync(`${file}-inside`);
      fs.rmdirSync(`${file}-inside`);
    } catch {
      twice++;
    }
    unlock();
    unlock = () => {};
  }
  process.send?.({ held, twice });
});
process.once('disconnect', () => process.exit(0));
