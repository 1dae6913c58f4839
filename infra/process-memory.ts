import * as fs from 'node:fs';

/**
 * Highest resident memory so far of this process and of its living descendants, added up; their peaks need not coincide, so it is
 * an upper bound. In bytes; 0 where the system does not tell (it is read from Linux's /proc).
 */
export function treePeakBytes(pid: number | 'self' = 'self'): number {
  const status = read(`/proc/${pid}/status`);
  const kibibytes = /^VmHWM:\s+(\d+) kB$/m.exec(status);
  const own = kibibytes ? Number(kibibytes[1]) * 1024 : 0;
  const main = /^Pid:\s+(\d+)$/m.exec(status)?.[1];
  const children = main ? read(`/proc/${main}/task/${main}/children`).split(' ').filter(Boolean) : [];
  return children.reduce((sum, child) => sum + treePeakBytes(Number(child)), own);
}

/** A file's text; nothing where it is gone. */
function read(file: string): string {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
