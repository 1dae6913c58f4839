import type { Dataset } from '../data/dataset';
import { LABELS } from '../data/labels';
import type { ProblemType } from '../data/problem';
import { type WindowedRows, windowRows } from '../data/windows';
import { roomOf } from '../data/word-windows';
import { cancelled, invalidPart, within } from '../foundation/errors';
import { relayed } from '../foundation/follow';
import { type Crossing, crossing } from '../infra/engine-child';
import { modelState } from '../model/files-state';
import { answersOf } from './answers';
import { type Batch, batchesOf, type Piece } from './batches';
import type { ClassifyRequest, HeadAnswers } from './classify-request';
import { ReusedMemory } from './reused-memory';
import { deltaState, openServedModel, type ServedModel, type TaskHead } from './served-model';
import { WarmCache } from './warm-cache';
import type { WarmMemory } from './warm-memory';

/** Answer to one of several requests: for each task head and text, or the error. */
export type Outcome = { answers: HeadAnswers[] } | { error: Crossing };

/** Work that yields before each batch. */
type Batches<Result> = AsyncGenerator<undefined, Result>;

/** Request that is ready to run. */
interface Prepared {
  pieces: Piece[];
  /** Answers once all pieces have run. */
  answers(): HeadAnswers[];
}

/** Classifies texts with many task heads. Models and deltas stay in memory up to a limit. */
export class Classifier {
  private readonly models = new WarmCache<ServedModel>();
  private readonly heads = new WarmCache<TaskHead>();
  private readonly memory = new ReusedMemory();

  constructor(
    private readonly threads: number,
    private readonly limits: WarmMemory,
  ) {}

  /**
   * Answers several requests at once: their texts share batches. A request that cannot be answered
   * does not harm the others.
   *
   * Yields before each batch but the first, so that a single batch costs no event.
   *
   * @returns the answer to each request
   * @throws HifiError CANCELLED, before a batch
   */
  async *classify(requests: readonly ClassifyRequest[], signal?: AbortSignal): Batches<Outcome[]> {
    let batches = 0;
    return yield* relayed(this.answered(requests, signal), () => (batches++ > 0 ? [undefined] : []));
  }

  /** Answers requests; yields before each batch. */
  private async *answered(requests: readonly ClassifyRequest[], signal: AbortSignal | undefined): Batches<Outcome[]> {
    const outcomes: Outcome[] = [];
    const byModel = new Map<string, number[]>();
    for (const [i, { model }] of requests.entries()) byModel.set(model, [...(byModel.get(model) ?? []), i]);
    for (const [folder, asking] of byModel) {
      const asked = asking.map((i) => requests[i]);
      const answered = yield* this.withModel(folder, asked, signal);
      for (const [place, i] of asking.entries()) outcomes[i] = answered[place];
    }
    return outcomes;
  }

  /** Answers requests to one model; yields before each batch. */
  private async *withModel(
    folder: string,
    requests: readonly ClassifyRequest[],
    signal: AbortSignal | undefined,
  ): Batches<Outcome[]> {
    const outcomes: Outcome[] = [];
    try {
      const state = modelState(folder);
      const model = await within('model', () => this.model(folder, state));
      const left = [...requests.entries()];
      while (left.length > 0) yield* this.together(model, state, left, outcomes, signal);
      return outcomes;
    } catch (error) {
      if (signal?.aborted) throw cancelled();
      return requests.map((_, i) => outcomes[i] ?? { error: crossing(error) });
    }
  }

  /**
   * Answers the first of some requests to a model, up to the one by which their deltas exceed the
   * limit; yields before each batch.
   *
   * @param left requests with their numbers; those that are answered leave
   * @param outcomes receives the answers, by number
   */
  private async *together(
    model: ServedModel,
    state: string,
    left: [number, ClassifyRequest][],
    outcomes: Outcome[],
    signal: AbortSignal | undefined,
  ): Batches<void> {
    const prepared: [number, Prepared][] = [];
    const used = new Set<TaskHead>();
    try {
      while (left.length > 0 && bytesOf(used) <= this.limits.deltas) {
        const [i, request] = left.shift()!;
        await settle(outcomes, i, async () => {
          const heads = await this.headsOf(model, state, request, used);
          prepared.push([i, await preparedFor(model, heads, request)]);
        });
      }
      const pieces = prepared.flatMap(([, { pieces }]) => pieces);
      for (const batch of batchesOf(pieces, model.config)) {
        yield;
        if (signal?.aborted) throw cancelled();
        await runBatch(model, batch);
      }
      for (const [i, { answers }] of prepared) {
        await settle(outcomes, i, () => {
          outcomes[i] = { answers: answers() };
        });
      }
    } finally {
      await this.heads.trim(this.limits.deltas);
      this.memory.settle();
    }
  }

  private model(folder: string, state: string): Promise<ServedModel> {
    return this.models.get(folder, state, async () => {
      const made = await openServedModel(folder, this.threads);
      await this.models.trim(this.limits.models, made.bytes);
      return made;
    });
  }

  /**
   * Task heads of a request.
   *
   * @param state state of the model's files
   * @param used receives each delta that is in memory for it, also if a later one fails
   */
  private async headsOf(
    model: ServedModel,
    state: string,
    { model: folder, deltas }: ClassifyRequest,
    used: Set<TaskHead>,
  ): Promise<TaskHead[]> {
    if (deltas.length === 0) {
      if (model.own) return [model.own];
      throw invalidPart('deltas', 'deltas is empty, and the model has no task head; name a delta or a tuned model');
    }
    const heads: TaskHead[] = [];
    for (const [i, delta] of deltas.entries()) {
      const key = JSON.stringify([folder, delta]);
      const read = () => within(`deltas[${i}]`, () => model.read(delta, this.memory));
      const head = await this.heads.get(key, `${state} ${deltaState(delta)}`, read);
      heads.push(head);
      used.add(head);
    }
    return heads;
  }
}

const bytesOf = (heads: Iterable<TaskHead>) => [...heads].reduce((sum, { bytes }) => sum + bytes, 0);

/** Runs a step of a request; an error becomes its outcome. */
async function settle(outcomes: Outcome[], i: number, step: () => unknown): Promise<void> {
  try {
    await step();
  } catch (error) {
    outcomes[i] = { error: crossing(error) };
  }
}

/** Windows of a request's texts, each with the heads that read it. */
async function preparedFor(
  model: ServedModel,
  heads: readonly TaskHead[],
  request: ClassifyRequest,
): Promise<Prepared> {
  const alike = new Map<string, TaskHead[]>();
  for (const head of new Set(heads)) {
    const { problem } = head.labels;
    if (LABELS[problem].pairs && !request.seconds) {
      throw invalidPart('second_texts', 'second_texts is empty; the model compares two texts');
    }
    if (!LABELS[problem].words && request.words?.some((words) => words !== undefined)) {
      throw invalidPart('words', 'words is given; the model classifies whole texts');
    }
    const key = JSON.stringify([LABELS[problem].words ?? false, head.lengths]);
    alike.set(key, [...(alike.get(key) ?? []), head]);
  }
  const pieces: Piece[] = [];
  const logits = new Map<TaskHead, { rows: WindowedRows; values: Float32Array[] }>();
  for (const group of alike.values()) {
    const rows = await windowsOf(model, request, group[0]);
    for (const head of group) logits.set(head, { rows, values: [] });
    for (const [i, window] of rows.windows.entries()) {
      const take = (head: TaskHead, values: Float32Array) => {
        logits.get(head)!.values[i] = values;
      };
      pieces.push({ window, heads: group, take });
    }
  }
  const answers = () =>
    heads.map((head) => {
      const { rows, values } = logits.get(head)!;
      return answersOf(request, head, rows, values);
    });
  return { pieces, answers };
}

async function windowsOf(model: ServedModel, request: ClassifyRequest, { labels, lengths }: TaskHead) {
  const { config, tokenizer } = model;
  const maxLength = Math.min(request.maxLength ?? lengths.maxLength, config.maxPositions);
  const options = { ...lengths, maxLength };
  // A length without room for any text is no fault of a text.
  if (request.maxLength !== undefined) {
    await within('max_length', () => roomOf(tokenizer, request.seconds ? 2 : 1, options));
  }
  return within('texts', () => windowRows(datasetOf(request, labels.problem), tokenizer, options, config));
}

/** Runs windows of one padded length with their heads. */
async function runBatch(model: ServedModel, { tokens, heads, pieces, each }: Batch): Promise<void> {
  const logits = await model.run(tokens, heads, each);
  for (const [i, head] of heads.entries()) {
    if (each) {
      pieces[i].take(head, logits[i]);
      continue;
    }
    const size = logits[i].length / pieces.length;
    for (const [row, piece] of pieces.entries()) piece.take(head, logits[i].slice(row * size, (row + 1) * size));
  }
}

const datasetOf = ({ texts, seconds, words }: ClassifyRequest, problem: ProblemType): Dataset => ({
  path: 'texts',
  sha256: '',
  problem,
  rows: texts.length,
  skipped: 0,
  texts: [...texts],
  ...(seconds && { seconds: [...seconds] }),
  ...(words && { words: [...words] }),
});
