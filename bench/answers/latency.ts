import type * as ort from 'onnxruntime-node';
import { spreadOf } from '../candidate';
import { printRow } from '../table';
import { inputsOf, type Served, sessionOf, textOf } from './served';
import { inBlocks, percentile } from './timed';

const TOKENS = 16;

/** Measures one text and one delta by gRPC, beside onnxruntime's run of the merged model here. */
export async function benchLatency(served: Served, rounds: number): Promise<void> {
  const [delta] = served.deltas(1);
  const session = await sessionOf(served.merged(0));
  const text = textOf(TOKENS);
  const feeds = inputsOf(served.model, text, TOKENS, session);
  const [ours, own] = await inBlocks([() => served.classify([delta], text), () => session.run(feeds)], rounds);
  await session.release();
  for (const [name, all] of [
    ['hifi, InferenceService.Classify', ours],
    ["onnxruntime's run of the merged model, in process", own],
  ] as const) {
    const work = `a text of ${TOKENS} tokens, one delta`;
    printRow(`${work}, ms`, name, spreadOf(all), spreadOf(ours));
    printRow(`${work}, 99th percentile, ms`, name, spreadOf([percentile(all)]), spreadOf([percentile(ours)]));
  }
}

/** Measures one text with many deltas by gRPC, beside sessions of the merged models in turn. */
export async function benchCurve(served: Served, rounds: number): Promise<void> {
  for (const [tokens, counts] of [
    [16, [1, 2, 4, 8, 16, 32, 64]],
    [64, [8]],
    [128, [8]],
  ] as const) {
    const text = textOf(tokens);
    const most = Math.max(...counts);
    const deltas = served.deltas(most);
    const sessions: ort.InferenceSession[] = [];
    // The threads of one session must not spin while another computes.
    for (let i = 0; i < Math.min(most, SESSIONS); i++) sessions.push(await sessionOf(served.merged(i), false));
    const feeds = inputsOf(served.model, text, tokens, sessions[0]);
    for (const count of counts) {
      const asked = deltas.slice(0, count);
      const inTurn = async () => {
        for (let i = 0; i < count; i++) await sessions[i % sessions.length].run(feeds);
      };
      const calls = Math.max(1, Math.round(BLOCK_DELTAS / count));
      const [ours, own] = await inBlocks([() => served.classify(asked, text), inTurn], rounds, calls);
      const work = `a text of ${tokens} tokens, ${count} deltas, ms`;
      printRow(work, 'hifi, InferenceService.Classify', spreadOf(ours), spreadOf(ours));
      printRow(work, `${count} sessions of the merged models`, spreadOf(own), spreadOf(ours));
    }
    for (const session of sessions) await session.release();
  }
}

/** Most sessions of merged models in memory: of more deltas, each runs several times. */
const SESSIONS = 8;
/** Deltas that a block of calls asks. */
const BLOCK_DELTAS = 64;
