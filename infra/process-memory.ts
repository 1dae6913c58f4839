import * as fs from 'node:fs';

/**
 * Highest resident memory so far of this process and of its living descendants, added up; their peaks need not coincide, so it is
 * an upper bound. In bytes; 0 where the system does not tell (it is read from Linux's /proc).
 */
export const treePeakBytes = (pid: number | 'self' = 'self') => treeBytes(pid, 'VmHWM');

/**
 * Resident memory now of this process and of its living descendants, added up; pages that they share count once for each. In
 * bytes; 0 where the system does not tell.
 */
export const treeResidentBytes = (pid: number | 'self' = 'self') => treeBytes(pid, 'VmRSS');

/** @param field of /proc/PID/status, in KiB there */
function treeBytes(pid: number | 'self', field: 'VmHWM' | 'VmRSS'): number {
  const status = read(`/proc/${pid}/status`);
  const kibibytes = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status);
  const own = kibibytes ? Number(kibibytes[1]) * 1024 : 0;
  const main = /^Pid:\s+(\d+)$/m.exec(status)?.[1];
  const children = main ? read(`/proc/${main}/task/${main}/children`).split(' ').filter(Boolean) : [];
  return children.reduce((sum, child) => sum + treeBytes(Number(child), field), own);
}

/** A file's text; nothing where it is gone. */
function read(file: string): string {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
