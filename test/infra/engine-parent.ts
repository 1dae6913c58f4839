import { callEngine } from '../../infra/engine';

// A parent that is nicer itself, with a child that is nicer by 10. Prints the child's process id
// and folder, then waits to be killed.
async function main(entry: string) {
  for await (const event of callEngine<{ pid: number; step: number; temporary: string }, string>({
    entry,
    method: 'endless',
    request: null,
    nice: 10,
  })) {
    if (event.step === 0) process.stdout.write(`${event.pid} ${event.temporary}\n`);
  }
}

void main(process.argv[2]);
