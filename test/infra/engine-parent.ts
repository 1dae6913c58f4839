import { callEngine } from '../../infra/engine';

// A parent for the test that a child does not outlive it: prints the child's process id, then waits to be killed.
async function main(entry: string) {
  for await (const event of callEngine<{ pid: number; step: number }, string>({
    entry,
    method: 'endless',
    request: null,
  })) {
    if (event.step === 0) process.stdout.write(`${event.pid}\n`);
  }
}

void main(process.argv[2]);
