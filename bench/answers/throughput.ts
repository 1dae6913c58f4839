import { execFile } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { promisify } from 'node:util';
import { spreadOf } from '../candidate';
import { HIFI } from '../services';
import { printRow } from '../table';
import { Peer } from './peer';
import { type Served, textOf } from './served';

const TOKENS = 16;
const DELTAS = 8;
const CALLERS = [1, 8, 32];
/** Answered texts of a measurement. */
const TEXTS = 192;
/** Processes of a measurement: each takes a second. */
const PROCESSES = 3;

/** Measures texts per second with 8 deltas, asked in turn, beside the other ways to serve them. */
export async function benchThroughput(served: Served, python: string, rounds: number): Promise<void> {
  const deltas = served.deltas(DELTAS);
  const merged = deltas.map((_, i) => served.merged(i));
  const peft = await Peer.start(python, ['peft', served.model, '--adapters', String(DELTAS)]);
  const onnx = await Peer.start(python, ['onnx', ...merged]);
  const rows = path.join(served.root, 'rows.txt');
  fs.writeFileSync(rows, `${textOf(TOKENS)}\n`);
  const ask = (peer: Peer) => (i: number) => peer.call('Ask', { delta: i % DELTAS, text: textOf(TOKENS, i) });
  const predict = (i: number) =>
    promisify(execFile)(process.execPath, [
      ...[HIFI, 'predict', '--model', served.model, '--delta', deltas[i % DELTAS], '--data', rows],
    ]);
  const kinds = [
    ['hifi, InferenceService.Classify', (i: number) => served.classify([deltas[i % DELTAS]], textOf(TOKENS, i)), TEXTS],
    ['transformers and PEFT set_adapter, gRPC', ask(peft), TEXTS],
    ['onnxruntime in Python, a session per merged model, gRPC', ask(onnx), TEXTS],
    ['a process of hifi predict per call', predict, PROCESSES],
  ] as const;
  try {
    for (const callers of CALLERS) {
      const rates = kinds.map(() => [] as number[]);
      for (let round = 0; round <= rounds; round++) {
        for (const [i, [, call, texts]] of kinds.entries()) {
          // Processes of many callers at once would fill the memory.
          if (call === predict && (callers > 1 || round > 1)) continue;
          const rate = await rateOf(call, texts, callers);
          if (round > 0) rates[i].push(rate);
        }
      }
      for (const [i, [name]] of kinds.entries()) {
        if (rates[i].length === 0) continue;
        printRow(`texts/s, ${callers} callers, ${TOKENS} tokens`, name, spreadOf(rates[i]), spreadOf(rates[0]), 1);
      }
    }
  } finally {
    await peft.stop();
    await onnx.stop();
  }
}

/** Runs calls, a number of them at a time. @returns calls per second */
async function rateOf(call: (i: number) => Promise<unknown>, count: number, callers: number): Promise<number> {
  const began = performance.now();
  let next = 0;
  const caller = async () => {
    while (next < count) await call(next++);
  };
  await Promise.all(Array.from({ length: callers }, caller));
  return (1000 * count) / (performance.now() - began);
}
