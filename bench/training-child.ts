import * as readline from 'node:readline';
import type { Mask } from '../heads/mask';
import { loadTensorFlow } from '../infra/tensorflow';
import { openCheckpoint } from '../model/checkpoint';
import { FreshRows } from '../trainer/prefix';
import { Program, type RowBatch } from '../trainer/program';
import { TokenRows } from '../trainer/token-rows';
import { trainable } from '../trainer/trainable';
import { Training } from '../trainer/training';

/*
 * Training steps of hifi behind the line protocol of peer_lora.py. `step B S` on stdin runs a step
 * on B full rows of S random tokens and prints its seconds; `peak` prints the peak resident memory
 * of the process. Arguments: model folder, k, first tuned layer.
 */

async function main(): Promise<void> {
  const [folder, k, firstLayer] = process.argv.slice(2);
  const checkpoint = await openCheckpoint(folder);
  const { config } = checkpoint;
  const heads = Array.from({ length: config.layers - Number(firstLayer) }, (_, i) =>
    Array.from({ length: Number(k) }, (_, head) => ({ layer: Number(firstLayer) + i, head, score: 1 })),
  ).flat();
  const mask: Pick<Mask, 'heads' | 'tune'> = { heads, tune: 'qkv' };
  const { layout, initial } = trainable(checkpoint, mask, 2, 0);
  const program = new Program(
    loadTensorFlow(),
    { checkpoint, mask, layout, outputs: 2, problem: 'single-label' },
    initial,
  );
  const schedule = { lr: 1e-4, warmup: 0.06, weightDecay: 0, steps: 1e6, seed: 0 };
  const training = new Training(program, schedule);
  const tokens = new TokenRows(checkpoint);
  const batches = new Map<string, RowBatch>();
  const batchOf = (B: number, S: number) => {
    const key = `${B}x${S}`;
    const row = () => ({
      ids: Array.from({ length: S }, () => 1000 + Math.floor(Math.random() * (config.vocabSize - 1000))),
      typeIds: new Array<number>(S).fill(0),
    });
    if (!batches.has(key)) {
      const rows = Array.from({ length: B }, row);
      batches.set(key, new FreshRows({ program, checkpoint, tokens }, rows).read(Array.from(rows.keys())));
    }
    return batches.get(key)!;
  };

  process.stdout.write(`${JSON.stringify({ ready: true })}\n`);
  let steps = 0;
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [command, B, S] = line.split(' ');
    if (command === 'peak') {
      process.stdout.write(`${process.resourceUsage().maxRSS * 1024}\n`);
      continue;
    }
    if (command !== 'step') break;
    const batch = batchOf(Number(B), Number(S));
    const targets = Array.from({ length: batch.B }, (_, i) => i % 2);
    const from = performance.now();
    training.step(batch, targets, steps++);
    process.stdout.write(`${((performance.now() - from) / 1000).toFixed(6)}\n`);
  }
}

void main();
