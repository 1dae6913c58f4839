import * as fs from 'node:fs';
import * as path from 'node:path';
import { JobState } from '../../proto/gen/hifi/v1/gateway_pb';
import { sequencesOf, storedIn } from '../gateway/outbox-jobs';
import { FIXTURES, temporaryFolder } from '../support/deltas';
import { startNats } from '../support/nats';
import { endServices, startTrio } from '../support/services';
import { until } from '../support/until';
import {
  complaints,
  createJob,
  getJob,
  MOMENTS,
  type Outcome,
  type Spec,
  struckJob,
  TINY,
  VICTIMS,
} from './struck-job';

/*
 * Kills services many times; by hand:
 * node --require ./test/support/typescript-hook.cjs test/services/soak.ts [ROUNDS] [--minilm
 * COLA.TSV]
 * Each round is a job for each victim, struck in each of its states. Prints a table; exits with 1
 * if any result is wrong.
 */
const words = process.argv.slice(2);
const minilm = words.indexOf('--minilm') >= 0 ? words[words.indexOf('--minilm') + 1] : undefined;
const rounds = Number(words[0] ?? 10) || 1;

/** all-MiniLM-L6-v2 on rows of CoLA, two epochs. */
const miniLm = (file: string): Spec => ({
  model: 'all-MiniLM-L6-v2',
  train: { source: { case: 'path', value: file }, task: 'cola' },
  training: { epochs: 2 },
  exports: ['checkpoint'],
});

async function soak(): Promise<boolean> {
  const spec = minilm === undefined ? TINY : miniLm(minilm);
  const epochs = spec.training!.epochs!;
  const roots = [minilm === undefined ? FIXTURES : path.dirname(minilm)];
  const stateDir = temporaryFolder('soak');
  const nats = await startNats({ jetstream: true });
  const trio = await startTrio({ stateDir, dataRoots: roots, env: { NATS_URL: nats.url } });
  const { gateway } = trio.clients;
  const lengths = new Map<string, number>();
  let wrong = 0;
  const record = (what: string, outcome: Outcome, delta?: string) => {
    lengths.set(outcome.job.jobId, outcome.job.lastSequence);
    for (const complaint of complaints(outcome, epochs, delta)) {
      wrong++;
      process.stderr.write(`${what}, job ${outcome.job.jobId}: ${complaint}\n`);
    }
  };
  try {
    const began = performance.now();
    const undisturbed = await struckJob(trio, spec, 'engine', []);
    record('undisturbed', undisturbed);
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    process.stdout.write(
      `undisturbed: ${seconds} s, ${undisturbed.events.length} events, delta ${undisturbed.delta}\n`,
    );
    const head = ['victim', ...MOMENTS, 'deltas', 'attempts', 'resumed from step', 's a job'];
    process.stdout.write(`| ${head.join(' | ')} |\n|${head.map(() => '---|').join('')}\n`);
    for (const victim of VICTIMS) {
      const from = performance.now();
      const outcomes: Outcome[] = [];
      for (let round = 0; round < rounds; round++) {
        // The struck job waits for this one.
        const other = await createJob(gateway, { ...spec, analyzeOnly: true });
        const outcome = await struckJob(trio, spec, victim, MOMENTS);
        record(`${victim}, round ${round}`, outcome, undisturbed.delta);
        const { state, lastSequence } = await getJob(gateway, other);
        lengths.set(other, lastSequence);
        if (state !== JobState.SUCCEEDED) wrong++;
        outcomes.push(outcome);
      }
      const hits = MOMENTS.map((moment) => {
        const strikes = outcomes.flatMap((outcome) => outcome.strikes).filter((strike) => strike.moment === moment);
        return `${strikes.filter(({ hit }) => hit).length}/${strikes.length}`;
      });
      const good = outcomes.filter(({ delta }) => delta === undisturbed.delta).length;
      const range = (of: (outcome: Outcome) => number) =>
        `${Math.min(...outcomes.map(of))} … ${Math.max(...outcomes.map(of))}`;
      const cells = [
        victim,
        ...hits,
        `${good}/${outcomes.length}`,
        range(({ job }) => job.attempt ?? 0),
        range(({ job }) => job.metrics?.resumedFromStep ?? 0),
        ((performance.now() - from) / 1000 / rounds).toFixed(1),
      ];
      process.stdout.write(`| ${cells.join(' | ')} |\n`);
    }
    const all = [...lengths.values()].reduce((sum, each) => sum + each, 0);
    const stored = await until(
      () => storedIn(nats.url),
      (messages) => messages.length >= all,
      'the events in NATS',
    );
    const found = sequencesOf(stored);
    const whole = [...lengths].filter(
      ([id, count]) => found[id]?.length === count && found[id].every((sequence, i) => sequence === i + 1),
    );
    if (whole.length !== lengths.size || stored.length !== all) wrong++;
    process.stdout.write(`NATS: ${stored.length} events of ${all}; whole: ${whole.length} of ${lengths.size} jobs\n`);
    process.stdout.write(`not as it must be: ${wrong}\n`);
    return wrong === 0;
  } finally {
    for (const client of Object.values(trio.clients)) client.close();
    if (wrong > 0)
      fs.writeFileSync(
        '/tmp/hifi-soak.log',
        Object.values(trio)
          .map((each) => each.log ?? '')
          .join('\n'),
      );
    await endServices();
    await nats.stop();
    fs.rmSync(stateDir, { recursive: true, force: true });
  }
}

soak().then(
  (good) => process.exit(good ? 0 : 1),
  (error) => {
    process.stderr.write(`${error.stack}\n`);
    process.exit(1);
  },
);
