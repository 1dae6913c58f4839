import type { ClassifyRequest, HeadAnswers } from './classify-request';

/** Request of a caller, which the engine answers in parts. */
export interface Waiting {
  request: ClassifyRequest;
  /** Number of texts that are answered. */
  done: number;
  /** Answers so far, for each task head. */
  answers: HeadAnswers[];
  resolve(answers: HeadAnswers[]): void;
  reject(error: unknown): void;
}

/** Texts of a request, for one call of the engine. */
export interface Part {
  of: Waiting;
  request: ClassifyRequest;
}

/** Work of one call, in characters times task heads: about 2,000 tokens. */
const CALL_CHARACTERS = 8192;
/** Work of a text beside its characters: its special tokens, and the padding. */
const TEXT_CHARACTERS = 16;

/**
 * Takes the work of the next call: a text of each request in turn, the oldest request first, until
 * there is enough. So a request with many texts does not keep the others waiting. A request without
 * texts loads what it names.
 */
export function nextParts(waiting: readonly Waiting[]): Part[] {
  const taken = new Map(waiting.filter(({ request }) => request.texts.length === 0).map((each) => [each, 0]));
  let left = CALL_CHARACTERS;
  for (let round = 0, found = true; found && left > 0; round++) {
    found = false;
    for (const each of waiting) {
      const { request, done } = each;
      const at = done + round;
      if (left <= 0 || at >= request.texts.length) continue;
      found = true;
      left -= workOf(request, at);
      taken.set(each, round + 1);
    }
  }
  return [...taken].map(([of, count]) => ({ of, request: slice(of.request, of.done, of.done + count) }));
}

function workOf({ texts, seconds, deltas }: ClassifyRequest, at: number): number {
  const characters = texts[at].length + (seconds?.[at].length ?? 0) + TEXT_CHARACTERS;
  return characters * Math.max(1, deltas.length);
}

const slice = (request: ClassifyRequest, from: number, to: number): ClassifyRequest => ({
  ...request,
  texts: request.texts.slice(from, to),
  ...(request.seconds && { seconds: request.seconds.slice(from, to) }),
  ...(request.words && { words: request.words.slice(from, to) }),
});
