import type { WindowedRows } from '../data/windows';
import { rowLogits, rowOf } from '../delta/logits';
import { PROBLEMS } from '../delta/problems';
import { sigmoid } from '../delta/thresholds';
import { concatenated } from '../foundation/concatenated';
import { failed } from '../foundation/errors';
import type { Classified, ClassifyRequest, HeadAnswers, ScoredLabel } from './classify-request';
import type { TaskHead } from './served-model';

/**
 * Answers for texts with one task head.
 *
 * @param rows windows of the texts
 * @param values logits of each window // [C], of tokens [S, C]
 * @throws HifiError FAILED for logits that are not finite
 */
export function answersOf(
  { texts, words }: Pick<ClassifyRequest, 'texts' | 'words'>,
  { labels, outputs }: TaskHead,
  rows: WindowedRows,
  values: readonly Float32Array[],
): HeadAnswers {
  const asked = values.map((all, i) => askedOf(all, rows.windows[i].asked?.at, outputs));
  const joined = concatenated(asked);
  const strange = joined.find((value) => !Number.isFinite(value));
  if (strange !== undefined) throw failed(`the model's logits hold ${strange}; they must be finite`);
  const all = rowLogits(rows, { values: joined, outputs });
  const answers = texts.map((text, row): Classified => {
    const logits = rowOf(all, row);
    if (all.words) {
      const { tags, entities } = PROBLEMS[labels.problem].answer(logits, labels, { text, words: words?.[row] });
      return { labels: [], logits: [], ...(tags ? { tags } : { entities }) };
    }
    return { labels: scored(logits, labels), logits: Array.from(logits) };
  });
  return { labels, rows: answers };
}

/** Logits of the tokens that are asked; all without a list of them. */
function askedOf(all: Float32Array, at: Int32Array | undefined, outputs: number): Float32Array {
  if (!at) return all;
  const asked = new Float32Array(at.length * outputs);
  for (const [i, token] of at.entries()) asked.set(all.subarray(token * outputs, (token + 1) * outputs), i * outputs);
  return asked;
}

/** Labels with their probabilities, the most likely first. */
function scored(logits: Float32Array, { problem, names }: TaskHead['labels']): ScoredLabel[] {
  if (problem === 'regression') return [{ label: '', score: logits[0] }];
  if (problem === 'relevance') return [{ label: '', score: sigmoid(logits[0]) }];
  const highest = logits.reduce((a, b) => Math.max(a, b));
  const sum = logits.reduce((total, logit) => total + Math.exp(logit - highest), 0);
  const probability = (logit: number) => (problem === 'multi-label' ? sigmoid(logit) : Math.exp(logit - highest) / sum);
  const labels = names.map((label, i) => ({ label, score: probability(logits[i]) }));
  return labels.sort((a, b) => b.score - a.score);
}
