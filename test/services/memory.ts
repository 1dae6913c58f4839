import * as fs from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { treeResidentBytes } from '../../foundation/process-memory';
import { GatewayService } from '../../proto/gen/hifi/v1/gateway_pb';
import { FIXTURES, temporaryFolder } from '../support/deltas';
import { descendantsOf, endServices, enginesOf, startAll } from '../support/services';
import { until } from '../support/until';
import { createJob, follow, LONG, MOMENTS, momentOf } from './struck-job';

/*
 * Measures the memory that cancelled jobs leave; by hand:
 * node --require ./test/support/typescript-hook.cjs test/services/memory.ts [JOBS]
 * Cancels each job in another state, in turn. Prints the resident memory of `hifi serve all` after
 * each, once the trainer's engine has ended. The analyzer's engine stays with its model and is
 * printed separately.
 */
const jobs = Number(process.argv[2] ?? 10);
const moments = MOMENTS.filter((moment) => moment !== 'QUEUED');
const mb = (bytes: number) => (bytes / 1e6).toFixed(1);

async function measure(): Promise<void> {
  const stateDir = temporaryFolder('memory');
  const { service, clients } = await startAll({ stateDir, dataRoots: [FIXTURES] });
  process.stdout.write('| job | cancelled at | serve, MB | engines, MB |\n|---|---|---|---|\n');
  const after: number[] = [];
  try {
    for (let i = 0; i < jobs; i++) {
      const moment = moments[i % moments.length];
      const jobId = await createJob(clients.gateway, LONG);
      await follow(clients.gateway, jobId, async (event) => {
        if (momentOf(event) === moment) await clients.gateway.unary(GatewayService.method.cancelJob, { jobId });
      });
      const engines = () => [...enginesOf(service.pid, 'analyzer'), ...enginesOf(service.pid, 'trainer')];
      await until(
        () => descendantsOf(service.pid).length - engines().length,
        // The three services. An engine that has ended its call stays.
        (processes) => processes === 3,
        'the end of the other processes',
      );
      await sleep(500);
      const all = treeResidentBytes(service.pid);
      const held = engines().reduce((sum, pid) => sum + treeResidentBytes(pid), 0);
      after.push(all - held);
      process.stdout.write(`| ${i + 1} | ${moment} | ${mb(all - held)} | ${mb(held)} |\n`);
    }
    process.stdout.write(`from the second to the last: ${mb(after[after.length - 1] - after[1])} MB\n`);
  } finally {
    for (const client of Object.values(clients)) client.close();
    await endServices();
    fs.rmSync(stateDir, { recursive: true, force: true });
  }
}

measure().then(
  () => process.exit(0),
  (error) => {
    process.stderr.write(`${error.stack}\n`);
    process.exit(1);
  },
);
