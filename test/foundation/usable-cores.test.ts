import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { usableCores } from '../../foundation/usable-cores';

describe('cores by the quota of the control groups', () => {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-cores-'));
  afterAll(() => fs.rmSync(root, { recursive: true }));

  /** Creates a machine's files, by path. @returns how many of its 16 cores the process may use */
  function of16(files: Record<string, string>): number {
    const machine = fs.mkdtempSync(path.join(root, 'machine-'));
    for (const [file, text] of Object.entries(files)) {
      fs.mkdirSync(path.join(machine, path.dirname(file)), { recursive: true });
      fs.writeFileSync(path.join(machine, file), text);
    }
    return usableCores(machine, 16);
  }

  it.each<[string, Record<string, string>, number]>([
    ['no groups', {}, 16],
    ['no quota', { 'proc/self/cgroup': '0::/\n', 'sys/fs/cgroup/cpu.max': 'max 100000\n' }, 16],
    ['a container', { 'proc/self/cgroup': '0::/\n', 'sys/fs/cgroup/cpu.max': '200000 100000\n' }, 2],
    ['a part of a core', { 'proc/self/cgroup': '0::/\n', 'sys/fs/cgroup/cpu.max': '250000 100000\n' }, 3],
    ['less than a core', { 'proc/self/cgroup': '0::/\n', 'sys/fs/cgroup/cpu.max': '10000 100000\n' }, 1],
    ['more than the machine has', { 'proc/self/cgroup': '0::/\n', 'sys/fs/cgroup/cpu.max': '6400000 100000\n' }, 16],
    [
      'a group above',
      {
        'proc/self/cgroup': '0::/pods/one/box\n',
        'sys/fs/cgroup/pods/cpu.max': '800000 100000\n',
        'sys/fs/cgroup/pods/one/cpu.max': '400000 100000\n',
        'sys/fs/cgroup/pods/one/box/cpu.max': 'max 100000\n',
      },
      4,
    ],
    [
      'version 1, whose group is named as on the host',
      {
        'proc/self/cgroup': '5:memory:/docker/x\n4:cpu,cpuacct:/docker/x\n0::/docker/x\n',
        'sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us': '300000\n',
        'sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us': '100000\n',
      },
      3,
    ],
    [
      'version 1 without a quota',
      {
        'proc/self/cgroup': '4:cpu,cpuacct:/\n',
        'sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us': '-1\n',
        'sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us': '100000\n',
      },
      16,
    ],
    ['files of another form', { 'proc/self/cgroup': '0:\n::x\n0::/\n', 'sys/fs/cgroup/cpu.max': 'much\n' }, 16],
  ])('%s', (_, files, cores) => {
    expect(of16(files)).toBe(cores);
  });
});

it('of this machine is at least one', () => {
  expect(usableCores()).toBeGreaterThanOrEqual(1);
  expect(usableCores()).toBeLessThanOrEqual(os.availableParallelism());
});
