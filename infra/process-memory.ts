import * as fs from 'node:fs';

/**
 * Peak resident memory of this process and its living descendants, in bytes. It adds up peaks that
 * need not coincide, so it is an upper bound. Read from Linux's /proc; 0 on other systems.
 */
export const treePeakBytes = (pid: number | 'self' = 'self') => treeBytes(pid, 'VmHWM');

/**
 * Current resident memory of this process and its living descendants, in bytes. Shared pages count
 * once for each process. Read from Linux's /proc; 0 on other systems.
 */
export const treeResidentBytes = (pid: number | 'self' = 'self') => treeBytes(pid, 'VmRSS');

/** Sums a field over a process tree. @param field of /proc/PID/status, in KiB there */
function treeBytes(pid: number | 'self', field: 'VmHWM' | 'VmRSS'): number {
  const status = read(`/proc/${pid}/status`);
  const kibibytes = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status);
  const own = kibibytes ? Number(kibibytes[1]) * 1024 : 0;
  const main = /^Pid:\s+(\d+)$/m.exec(status)?.[1];
  const children = main ? read(`/proc/${main}/task/${main}/children`).split(' ').filter(Boolean) : [];
  return children.reduce((sum, child) => sum + treeBytes(Number(child), field), own);
}

/** Returns a file's text; empty if it is gone. */
function read(file: string): string {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
