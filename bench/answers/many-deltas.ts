import * as fs from 'node:fs';
import * as path from 'node:path';
import { WARM_MEMORY } from '../../inference/warm-memory';
import { spreadOf } from '../candidate';
import { printRow } from '../table';
import { Peer } from './peer';
import { type Served, textOf } from './served';
import { percentile, timed } from './timed';

const TOKENS = 16;
const DELTAS = 1000;
/** Requests of a round, each of another delta. */
const SWITCHES = 1000;
/** Loads of an adapter by the peer. */
const LOADS = 100;
const MB = 1e6;

/**
 * Measures a thousand deltas on one base, asked at random: the memory of the service's processes,
 * and the first answer of a delta that is not in memory beside PEFT's load and switch.
 *
 * @throws Error if a delta's logits differ by a bit after all switches
 */
export async function benchManyDeltas(served: Served, python: string, rounds: number): Promise<void> {
  const deltas = served.deltas(DELTAS);
  const text = textOf(TOKENS);
  const logits = async (delta: number) => {
    const { results } = await served.classify([deltas[delta]], text);
    return results[0].rows[0].logits;
  };
  const first = await logits(0);
  for (let i = 0; i < 50; i++) await logits(0);
  const base = served.memory();
  const cold: number[] = [];
  for (let i = 1; i < DELTAS; i++) cold.push(await timed(() => logits(i)));
  let most = served.memory();
  let random = 12345;
  for (let i = 0; i < rounds * SWITCHES; i++) {
    random = (Math.imul(random, 1664525) + 1013904223) >>> 0;
    await logits(random % DELTAS);
    if (i % 50 === 0) most = Math.max(most, served.memory());
  }
  const last = await logits(0);
  if (last.join() !== first.join())
    throw new Error(`logits after ${rounds * SWITCHES} switches: ${last}; before: ${first}`);

  const peer = await Peer.start(python, ['peft', served.model, '--adapters', '1']);
  const folder = path.join(served.root, 'adapter');
  fs.mkdirSync(folder);
  await peer.call('Save', { folder });
  const loads: number[] = [];
  for (let i = 0; i < LOADS; i++) {
    loads.push(await timed(() => peer.call('Load', { folder: path.join(folder, '0'), text })));
    await peer.call('Forget', {});
  }
  await peer.stop();

  const limit = WARM_MEMORY.deltas;
  const ours = spreadOf(cold);
  const work = `first answer of a delta that is not in memory, ${TOKENS} tokens`;
  printRow(`${work}, ms`, 'hifi, InferenceService.Classify', ours, ours);
  printRow(`${work}, ms`, 'PEFT load_adapter and set_adapter, gRPC', spreadOf(loads), ours);
  const p99 = spreadOf([percentile(cold)]);
  printRow(`${work}, 99th percentile, ms`, 'hifi, InferenceService.Classify', p99, p99);
  printRow(
    `${work}, 99th percentile, ms`,
    'PEFT load_adapter and set_adapter, gRPC',
    spreadOf([percentile(loads)]),
    p99,
  );
  const memory = `memory beyond the base, ${DELTAS} deltas in ${rounds * SWITCHES} requests at random, MB`;
  const above = spreadOf([(most - base) / MB]);
  printRow(memory, `hifi, of which the cache's limit is ${(limit / MB).toFixed(0)}`, above, above, 0);
}
