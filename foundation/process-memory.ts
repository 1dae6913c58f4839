import * as fs from 'node:fs';

/*
 * Memory of processes, in bytes. It is read from Linux's /proc and is 0 if the system does not
 * report it.
 */

/**
 * Highest resident memory of this process and of the one that started it, added up; their peaks
 * need not coincide, so it is an upper bound.
 */
export const peakResidentBytes = (): number => peakOf('self') + peakOf(String(process.ppid));

/**
 * Starts this process's peak anew, for work in a process that has done other work. Without the
 * permission the peak stays that of the whole process.
 */
export function resetPeakResidentBytes(): void {
  try {
    fs.writeFileSync('/proc/self/clear_refs', '5');
  } catch {
    // Not Linux, or a sandbox.
  }
}

/** Highest resident memory of one process so far, by its id. */
export const peakOf = (process: string): number => bytesIn(statusOf(process), 'VmHWM');

/**
 * Resident memory of this process and of its living descendants, added up; pages that they share
 * count once for each.
 */
export function treeResidentBytes(pid: number | 'self' = 'self'): number {
  const status = statusOf(pid);
  const main = /^Pid:\s+(\d+)$/m.exec(status)?.[1];
  const children = main ? read(`/proc/${main}/task/${main}/children`).split(' ').filter(Boolean) : [];
  return children.reduce((sum, child) => sum + treeResidentBytes(Number(child)), bytesIn(status, 'VmRSS'));
}

const statusOf = (process: number | string) => read(`/proc/${process}/status`);

function bytesIn(status: string, field: 'VmHWM' | 'VmRSS'): number {
  const kibibytes = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status);
  return kibibytes ? Number(kibibytes[1]) * 1024 : 0;
}

/** Text of a file; empty if there is none. */
function read(file: string): string {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
