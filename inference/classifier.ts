import { padBatch } from '../data/batches';
import type { Dataset } from '../data/dataset';
import { LABELS } from '../data/labels';
import type { LabelSet, ProblemType } from '../data/problem';
import { type WindowedRows, windowRows } from '../data/windows';
import { readDelta } from '../delta/delta';
import { labelsOf, outputsOf } from '../delta/delta-info';
import { rowLogits, rowOf } from '../delta/logits';
import { PROBLEMS } from '../delta/problems';
import { sigmoid } from '../delta/thresholds';
import { invalidPart, within } from '../foundation/errors';
import { openCheckpoint } from '../model/checkpoint';
import { loadTokenizer, type Tokenizer } from '../model/tokenizer';
import { batchesOf, LENGTH_STEP, type Piece } from './batches';
import type { Classified, ClassifyRequest, ScoredLabel } from './classify-request';
import { ServedBase } from './served-base';
import { type ServedDelta, servedDelta } from './served-delta';

/** Delta that is ready to answer, and the meaning of its logits. */
interface Ready {
  delta: ServedDelta;
  labels: LabelSet;
  /** C. */
  outputs: number;
  /** Length to which its training cut a text, in tokens. */
  maxLength: number;
}

/** Base that is ready to answer, and its deltas by their folders. */
interface ReadyBase {
  base: ServedBase;
  tokenizer: Tokenizer;
  deltas: Map<string, Ready>;
}

/** Classifies texts with many deltas. Bases and deltas stay in memory. */
export class Classifier {
  private readonly bases = new Map<string, Promise<ReadyBase>>();

  constructor(private readonly threads: number) {}

  /**
   * Answers several requests at once.
   *
   * @returns for each request, delta and text, in their order
   * @throws HifiError INVALID_INPUT for a model, delta or text that cannot be used
   */
  async classify(requests: readonly ClassifyRequest[]): Promise<Classified[][][]> {
    const pieces = new Map<ReadyBase, Piece[]>();
    const finish: (() => Classified[][])[] = [];
    for (const request of requests) {
      const ready = await this.base(request.base);
      const { pieces: own, answers } = this.pieces(ready, request);
      pieces.set(ready, [...(pieces.get(ready) ?? []), ...own]);
      finish.push(answers);
    }
    for (const [{ base }, all] of pieces) {
      for (const batch of batchesOf(all)) await runBatch(base, batch);
    }
    return finish.map((answers) => answers());
  }

  /** Windows of a request's texts, and its answers once they have run. */
  private pieces({ base, tokenizer, deltas: known }: ReadyBase, request: ClassifyRequest) {
    const { checkpoint } = base;
    const { config } = checkpoint;
    const deltas = request.deltas.map((folder) => {
      const ready = known.get(folder) ?? readyDelta(base, folder);
      known.set(folder, ready);
      return ready;
    });
    const pieces: Piece[] = [];
    const logits = new Map<Ready, { rows: WindowedRows; values: Float32Array[] }>();
    const alike = new Map<string, Ready[]>();
    for (const ready of new Set(deltas)) {
      const { problem } = ready.labels;
      const maxLength = Math.min(request.maxLength ?? ready.maxLength, config.maxPositions);
      if (LABELS[problem].pairs && !request.seconds) {
        throw invalidPart('second_texts', 'the delta compares pairs; second_texts has the second text of each');
      }
      const key = JSON.stringify([LABELS[problem].words ?? false, maxLength]);
      alike.set(key, [...(alike.get(key) ?? []), ready]);
    }
    for (const [key, group] of alike) {
      const [, maxLength] = JSON.parse(key) as [boolean, number];
      const dataset = datasetOf(request, group[0].labels.problem);
      const rows = windowRows(dataset, tokenizer, { maxLength, longTexts: 'cut', stride: 0 }, config);
      for (const ready of group) logits.set(ready, { rows, values: [] });
      rows.windows.forEach((window, i) => {
        pieces.push({
          window,
          deltas: group.map(({ delta }) => delta),
          take: (delta, values) => {
            logits.get(group.find((each) => each.delta === delta)!)!.values[i] = values;
          },
        });
      });
    }
    const answers = () => deltas.map((ready) => answersOf(request, ready, logits.get(ready)!));
    return { pieces, answers };
  }

  private base(folder: string): Promise<ReadyBase> {
    const made =
      this.bases.get(folder) ??
      within('model', async () => {
        const checkpoint = await openCheckpoint(folder);
        const base = await ServedBase.open(checkpoint, this.threads);
        return { base, tokenizer: await loadTokenizer(folder), deltas: new Map() };
      });
    this.bases.set(folder, made);
    return made;
  }
}

function readyDelta(base: ServedBase, folder: string): Ready {
  const delta = readDelta(folder, base.checkpoint);
  const served = servedDelta(base.checkpoint, delta, base.inputs);
  if (!served) throw invalidPart('deltas', `${folder}: it tunes more than heads; ask its merged checkpoint`);
  return {
    delta: served,
    labels: labelsOf(delta.info),
    outputs: outputsOf(delta.info),
    maxLength: delta.info.options.maxLength,
  };
}

/** Runs windows of one padded length with their deltas. */
async function runBatch(base: ServedBase, batch: readonly Piece[]): Promise<void> {
  const [{ deltas }] = batch;
  const windows = batch.map(({ window }) => window);
  const padded = padBatch(windows, base.checkpoint.config.padTokenId, LENGTH_STEP);
  const logits = await base.run(padded, deltas);
  for (const [i, delta] of deltas.entries()) {
    const size = logits[i].length / batch.length;
    for (const [row, piece] of batch.entries()) piece.take(delta, logits[i].slice(row * size, (row + 1) * size));
  }
}

const datasetOf = ({ texts, seconds }: ClassifyRequest, problem: ProblemType): Dataset => ({
  path: 'texts',
  sha256: '',
  problem,
  rows: texts.length,
  skipped: 0,
  texts: [...texts],
  ...(seconds && { seconds: [...seconds] }),
});

/** Answers for all texts with one delta. */
function answersOf(
  { texts }: ClassifyRequest,
  { labels, outputs }: Ready,
  { rows, values }: { rows: WindowedRows; values: readonly Float32Array[] },
): Classified[] {
  const asked = values.map((all, i) => {
    const at = rows.windows[i].asked?.at;
    return at
      ? Float32Array.from(Array.from(at).flatMap((t) => [...all.subarray(t * outputs, (t + 1) * outputs)]))
      : all;
  });
  const joined = new Float32Array(asked.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const part of asked) {
    joined.set(part, offset);
    offset += part.length;
  }
  const all = rowLogits(rows, { values: joined, outputs });
  return texts.map((text, row) => {
    const logits = rowOf(all, row);
    if (all.words) {
      const { entities } = PROBLEMS[labels.problem].answer(logits, labels, { text });
      return { labels: [], logits: [], entities };
    }
    return { labels: scored(logits, labels), logits: Array.from(logits) };
  });
}

/** Labels with their probabilities, the most likely first. */
function scored(logits: Float32Array, { problem, names }: LabelSet): ScoredLabel[] {
  if (problem === 'regression') return [{ label: '', score: logits[0] }];
  if (problem === 'relevance') return [{ label: '', score: sigmoid(logits[0]) }];
  const highest = logits.reduce((a, b) => Math.max(a, b));
  const sum = logits.reduce((total, logit) => total + Math.exp(logit - highest), 0);
  const probability = (logit: number) => (problem === 'multi-label' ? sigmoid(logit) : Math.exp(logit - highest) / sum);
  const labels = names.map((label, i) => ({ label, score: probability(logits[i]) }));
  return labels.sort((a, b) => b.score - a.score);
}
