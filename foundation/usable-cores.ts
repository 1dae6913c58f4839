import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';

/**
 * Number of cores that this process may use: its allowed cores, limited by the CPU quota of its
 * control groups (`docker run --cpus`), rounded up. The system stops threads beyond a quota for a
 * part of each period. Node includes the quota from libuv 1.49 on.
 *
 * @param root folder that contains `proc` and `sys`
 * @param most number of cores that the process may run on
 */
export function usableCores(root = '/', most = os.availableParallelism()): number {
  return Math.max(1, Math.min(most, Math.ceil(Math.min(...quotas(root)))));
}

/** Quotas of this process's control groups and all above them, in cores. */
function quotas(root: string): number[] {
  // One line per hierarchy: `ID:CONTROLLERS:GROUP`; version 2 has no controllers there.
  const lines = textOf(path.join(root, 'proc/self/cgroup')).split('\n');
  return lines.flatMap((line) => {
    const [, controllers, group] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    if (controllers !== '' && !controllers?.split(',').includes('cpu')) return [];
    const mount = path.join(root, 'sys/fs/cgroup', controllers);
    return upwards(group).map((at) => (controllers === '' ? quotaV2 : quotaV1)(path.join(mount, at)));
  });
}

/**
 * Returns a group and its ancestors. In a container a group's path may be the host's, and the root
 * the group's own.
 */
function upwards(group: string): string[] {
  const above = path.posix.dirname(group);
  return above === group ? [group] : [group, ...upwards(above)];
}

/** Reads `cpu.max`: the microseconds in each period, or `max`, and the period's. */
function quotaV2(folder: string): number {
  const [quota, period] = textOf(path.join(folder, 'cpu.max')).trim().split(' ').map(Number);
  return cores(quota, period);
}

/** Reads files of one number each; −1 means no quota. */
function quotaV1(folder: string): number {
  const numberIn = (name: string) => Number(textOf(path.join(folder, name)));
  return cores(numberIn('cpu.cfs_quota_us'), numberIn('cpu.cfs_period_us'));
}

const cores = (quota: number, period: number) => (quota > 0 && period > 0 ? quota / period : Number.POSITIVE_INFINITY);

/** Text of a file; empty if it is unreadable. */
function textOf(file: string): string {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
