import * as readline from 'node:readline';
import { BASELINES } from '../compare/baselines';
import { tuningOf } from '../delta/tuning';
import type { Mask } from '../heads/mask';
import { loadTensorFlow } from '../infra/tensorflow';
import { openCheckpoint } from '../model/checkpoint';
import type { ModelConfig } from '../model/config';
import type { RowBatch } from '../trainer/batch-parts';
import { FreshRows } from '../trainer/prefix';
import { Program } from '../trainer/program';
import { TokenRows } from '../trainer/token-rows';
import { trainable } from '../trainer/trainable';
import { Training } from '../trainer/training';

/*
 * Training steps of hifi behind the line protocol of peer_lora.py. `step B S` on stdin runs a step
 * on B full rows of S random tokens and prints its seconds; `peak` prints the peak resident memory
 * of the process. Arguments: model folder, then k and the first tuned layer, or a baseline.
 */

async function main(): Promise<void> {
  const [folder, ...tuned] = process.argv.slice(2);
  const checkpoint = await openCheckpoint(folder);
  const { config } = checkpoint;
  const [name] = tuned;
  const tuning =
    name in BASELINES
      ? tuningOf(config, { heads: [], tune: 'qkv' }, BASELINES[name as keyof typeof BASELINES].further(config))
      : tuningOf(config, { heads: headsOf(config, Number(name), Number(tuned[1])), tune: 'qkv' });
  const { layout, initial } = trainable(checkpoint, tuning, 2, 0);
  const program = new Program(
    loadTensorFlow(),
    { checkpoint, tuning, layout, outputs: 2, objective: { problem: 'single-label' } },
    initial,
  );
  const schedule = { lr: 1e-4, warmup: 0.06, weightDecay: 0, steps: 1e6, seed: 0 };
  const training = new Training(program, schedule);
  const tokens = new TokenRows(checkpoint, program.readsWords);
  const readers = new Map<string, () => RowBatch>();
  /** As a training reads: what frozen layers put out is kept, embeddings are made for each step. */
  const readerOf = (B: number, S: number) => {
    const row = () => ({
      ids: Array.from({ length: S }, () => 1000 + Math.floor(Math.random() * (config.vocabSize - 1000))),
      typeIds: new Array<number>(S).fill(0),
    });
    const fresh = new FreshRows({ program, checkpoint, tokens }, Array.from({ length: B }, row));
    const read = () => fresh.read(Array.from({ length: B }, (_, i) => i));
    if (program.lowest === 0) return read;
    const kept = read();
    return () => kept;
  };

  process.stdout.write(`${JSON.stringify({ ready: true })}\n`);
  let steps = 0;
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [command, B, S] = line.split(' ');
    if (command === 'peak') {
      process.stdout.write(`${process.resourceUsage().maxRSS * 1024}\n`);
      continue;
    }
    if (command === 'cpu') {
      const { userCPUTime, systemCPUTime } = process.resourceUsage();
      process.stdout.write(`${((userCPUTime + systemCPUTime) / 1e6).toFixed(6)}\n`);
      continue;
    }
    if (command !== 'step') break;
    const read = readers.get(`${B}x${S}`) ?? readerOf(Number(B), Number(S));
    readers.set(`${B}x${S}`, read);
    const targets = Array.from({ length: Number(B) }, (_, i) => i % 2);
    const from = performance.now();
    training.step(read(), targets, steps++);
    process.stdout.write(`${((performance.now() - from) / 1000).toFixed(6)}\n`);
  }
}

/** k heads of each layer from `first` on, spread over the layer. */
const headsOf = ({ layers, heads }: ModelConfig, k: number, first: number): Mask['heads'] =>
  Array.from({ length: layers - first }, (_, i) =>
    Array.from({ length: k }, (_, n) => ({ layer: first + i, head: Math.floor(((n + 0.5) * heads) / k), score: 1 })),
  ).flat();

void main();
