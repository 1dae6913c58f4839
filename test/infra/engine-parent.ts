import { callEngine } from '../../infra/engine';

// Parent with a raised niceness, and a child with 10 more. Prints the child's process id and
// folder, then waits to be killed.
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
