import * as fs from 'node:fs';

/**
 * Highest resident memory of this process and of the one that started it, added up; their peaks need not coincide, so it is
 * an upper bound. In bytes; 0 where the system does not tell (it is read from Linux's /proc).
 */
export function peakResidentBytes(): number {
  return peakOf('self') + peakOf(String(process.ppid));
}

/** Highest resident memory of one process, by its id, in bytes. */
export function peakOf(process: string): number {
  try {
    const kibibytes = /^VmHWM:\s+(\d+) kB$/m.exec(fs.readFileSync(`/proc/${process}/status`, 'utf8'));
    return kibibytes ? Number(kibibytes[1]) * 1024 : 0;
  } catch {
    return 0;
  }
}
