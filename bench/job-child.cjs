/*
 * Runs a job of one epoch on rows of CoLA by the built library, and prints the seconds of its steps
 * and of its evaluation as JSON. Arguments: library, model, rows, folder of the results.
 */

async function main() {
  const [library, model, train, out] = process.argv.slice(2);
  const { runJob } = require(library);
  const request = {
    model,
    train: { path: train, task: 'cola' },
    out,
    training: { epochs: 1 },
    exports: ['checkpoint'],
  };
  let last;
  for await (const event of runJob(request)) {
    if (event.kind === 'progress' && event.stage === 'train') last = performance.now();
    if (event.kind !== 'epoch') continue;
    const evaluation = (performance.now() - last) / 1000;
    process.stdout.write(`${JSON.stringify({ steps: event.epoch.seconds, evaluation })}\n`);
  }
}

void main();
