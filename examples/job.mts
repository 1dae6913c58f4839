/*
 * Estimates a whole job and runs it. Ctrl-C cancels it, and the same command resumes it.
 *
 *   job.mts train.tsv out [model]      (columns: sentence, label)
 */
import { estimate, HifiError, type JobRequest, runJob } from 'hifi-heads';

const [path, out, model = 'all-MiniLM-L6-v2'] = process.argv.slice(2);
const request: JobRequest = {
  model,
  train: { path, textColumns: ['sentence'], labelColumn: 'label' },
  selection: { strategy: 'hifi-mid-top', k: 1 },
  training: { epochs: 2 },
  exports: ['checkpoint'],
};

const cancelling = new AbortController();
process.once('SIGINT', () => cancelling.abort());
const { signal } = cancelling;

try {
  const { heads, deltaBytes, seconds } = await estimate(request, { signal });
  console.log(`${heads} heads, ${deltaBytes} bytes, about ${Math.ceil(seconds.total)} s`);

  const run = runJob({ ...request, out, resume: true }, { signal });
  for await (const event of run) {
    if (event.kind === 'state') console.log(event.state);
    if (event.kind === 'artifact') console.log(`  ${out}/${event.name}${event.kept ? ' (from before)' : ''}`);
    if (event.kind === 'warning') console.warn(event.message);
  }
  const { metrics } = await run;
  console.log(`${metrics.metric} ${metrics.best.value}, see ${out}/report.html`);
} catch (error) {
  if (!(error instanceof HifiError)) throw error;
  console.error(`${error.code}: ${error.message}`);
  process.exitCode = error.code === 'CANCELLED' ? 130 : 1;
}
