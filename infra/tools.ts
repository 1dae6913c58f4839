import { runCommand } from '../foundation/command';
import { failed } from '../foundation/errors';

/** A program of the system that set-up needs, as found. */
export interface Tool {
  name: string;
  /** The version it tells, or `null` when it is not there. */
  found: string | null;
  /** How to get it. */
  mend: string;
}

const TOOLS = [
  {
    name: 'python3',
    command: 'python3',
    args: ['--version'],
    mend: 'install Python 3 (Debian, Ubuntu: apt-get install python3 python3-pip)',
  },
  {
    name: 'pip',
    command: 'python3',
    args: ['-m', 'pip', '--version'],
    mend: "install Python's pip (Debian, Ubuntu: apt-get install python3-pip; elsewhere: python3 -m ensurepip)",
  },
  { name: 'make', command: 'make', args: ['--version'], mend: 'install make (Debian, Ubuntu: apt-get install make)' },
  {
    name: 'C++ compiler',
    command: process.env.CXX || 'c++',
    args: ['--version'],
    mend: 'install a C++ compiler (Debian, Ubuntu: apt-get install g++), or name it in CXX',
  },
] as const;

/** Looks for Python 3, pip, make and a C++ compiler: what building TensorFlow's binding takes. */
export async function findTools(): Promise<Tool[]> {
  return Promise.all(
    TOOLS.map(async ({ name, command, args, mend }) => {
      const { status, output } = await runCommand(command, args);
      return { name, mend, found: status === 0 ? output.split('\n')[0].trim() : null };
    }),
  );
}

/** @throws HifiError FAILED naming what is missing and how to get it */
export async function requireTools(): Promise<void> {
  const missing = (await findTools()).filter((tool) => tool.found === null);
  if (missing.length === 0) return;
  throw failed(`set-up needs ${missing.map((tool) => `${tool.name}: ${tool.mend}`).join('; ')}`);
}
