import type { LabelSet } from '../data/problem';
import { plainWords } from '../data/words';
import { entitiesOf, isIob2, OUTSIDE } from './entities';
import type { Entity, Prediction } from './inference-options';
import { argmax } from './metrics';

/** Row that was predicted. */
export interface AnsweredRow {
  text: string;
  /** Its words, if they were given. */
  words?: readonly string[];
}

/** One word's logits. // [words · C] → [C] */
export function logitsOfWord(logits: Float32Array, words: number, word: number): Float32Array {
  const outputs = logits.length / words;
  return logits.subarray(word * outputs, (word + 1) * outputs);
}

/** Returns false for a word that no token stands for: it is cut off, or the tokenizer drops it. */
export const isAnswered = ([first]: Float32Array) => !Number.isNaN(first);

/**
 * Class of each word: the one of the highest logit; for a word without an answer `O`, or the first
 * class if there is no `O`. // [words]
 */
export function tagsOfWords(logits: Float32Array, { names }: Pick<LabelSet, 'names'>): Int32Array {
  const unanswered = Math.max(0, names.indexOf(OUTSIDE));
  const words = logits.length / names.length;
  return Int32Array.from({ length: words }, (_, word) => {
    const ofWord = logitsOfWord(logits, words, word);
    return isAnswered(ofWord) ? argmax(ofWord) : unanswered;
  });
}

/** Answer for a row: a tag per given word, or the entities of a plain text. */
export function wordAnswer(
  logits: Float32Array,
  labels: LabelSet,
  row: AnsweredRow,
): Pick<Prediction, 'tags' | 'entities'> {
  const { names } = labels;
  const tags = Array.from(tagsOfWords(logits, labels), (tag) => names[tag]);
  if (row.words) return { tags };
  const words = plainWords(row.text);
  const spans = isIob2(names) ? entitiesOf(tags) : tags.map((label, word) => ({ label, start: word, end: word + 1 }));
  const probability = (word: number) => {
    const ofWord = logitsOfWord(logits, words.length, word);
    return isAnswered(ofWord) ? highestProbability(ofWord) : 0;
  };
  const entities = spans.map(({ label, start, end }): Entity => {
    const [from, to] = [words[start].start, words[end - 1].end];
    let sum = 0;
    for (let word = start; word < end; word++) sum += probability(word);
    return { label, start: from, end: to, text: row.text.slice(from, to), score: sum / (end - start) };
  });
  return { entities };
}

/** Softmax of the highest logit. */
function highestProbability(logits: Float32Array): number {
  const highest = logits.reduce((a, b) => Math.max(a, b));
  return 1 / logits.reduce((sum, logit) => sum + Math.exp(logit - highest), 0);
}
