import { type CompactTokenIds, type EmbeddingLimits, type Encoded, readable, type TokenIds } from './batches';
import type { Dataset } from './dataset';
import type { Target } from './label-reading';
import { LABELS } from './labels';
import { roomOf, spans, type WindowEncoder, type WindowOptions, wordWindows } from './word-windows';
import { plainWords } from './words';

/** Rows as a model reads them: each in one window, or a long one in several. */
export interface WindowedRows {
  /** All windows, row after row. */
  windows: CompactTokenIds[];
  /** First window of each row, and the number of windows. // [n + 1] */
  starts: Int32Array;
  /**
   * First word of each row, and the number of words, if each word has logits of its own. // [n + 1]
   */
  words?: Int32Array;
}

/** Properties of a model on which its windows depend. */
export interface ReadingModel extends EmbeddingLimits {
  /** True if a token sees only those before it; default false. */
  causal?: boolean;
}

/**
 * Encodes all rows of a dataset in windows.
 *
 * @param model the model that reads the rows
 * @throws HifiError INVALID_INPUT as `encodeRows`, or if windows of this length cannot overlap by
 *   the stride
 */
export function windowRows(
  dataset: Dataset,
  encoder: WindowEncoder,
  options: WindowOptions,
  model: ReadingModel,
): WindowedRows {
  const windows: CompactTokenIds[] = [];
  const starts = new Int32Array(dataset.rows + 1);
  const words = LABELS[dataset.problem].words ? new Int32Array(dataset.rows + 1) : undefined;
  for (let row = 0; row < dataset.rows; row++) {
    const ofRow = words ? wordsOfRow(dataset, row) : undefined;
    const encoded = ofRow
      ? wordWindows(encoder, ofRow, options, model.causal === true)
      : textWindows(encoder, dataset, row, options);
    for (const window of encoded) windows.push(readable(dataset, row, window, model));
    starts[row + 1] = windows.length;
    if (words) words[row + 1] = words[row] + ofRow!.length;
  }
  return { windows, starts, ...(words && { words }) };
}

/** Words of a row: the given ones, or those of a plain text. */
const wordsOfRow = (dataset: Dataset, row: number): readonly string[] =>
  dataset.words?.[row] ?? plainWords(dataset.texts[row]).map(({ text }) => text);

/**
 * Windows of a text, or of the longer text of a pair. The other text is in each of them, at most
 * half of a window.
 */
function textWindows(encoder: WindowEncoder, { texts, seconds }: Dataset, row: number, options: WindowOptions) {
  const [text, second] = [texts[row], seconds?.[row]];
  if (options.longTexts === 'cut') return [encoder.encode(text, second, options.maxLength)];
  const all = [text, ...(second === undefined ? [] : [second])].map((each) => encoder.tokenIds(each));
  const room = roomOf(encoder, all.length, options);
  if (all.length === 1) {
    return spans(all[0].length, room, options).map(([from, to]) => bare(encoder, [all[0].slice(from, to)]));
  }
  const long = all[0].length >= all[1].length ? 0 : 1;
  const beside = all[1 - long].slice(0, Math.floor(room / 2));
  const left = room - beside.length;
  const stride = Math.min(options.stride, Math.floor(left / 2));
  return spans(all[long].length, left, { ...options, stride }).map(([from, to]) => {
    const part = all[long].slice(from, to);
    return bare(encoder, long === 0 ? [part, beside] : [beside, part]);
  });
}

function bare(encoder: WindowEncoder, texts: readonly (readonly number[])[]): TokenIds {
  const { ids, typeIds } = encoder.frame(texts);
  return { ids, typeIds };
}

/**
 * Target of a row, as the loss of its only window takes it. Of words it has the class index of each
 * token, −1 for a token without a label. // [S]
 */
export function windowTarget({ ids, asked }: Encoded, target: Target): Target {
  if (!asked) return target;
  const ofTokens = new Int32Array(ids.length).fill(-1);
  for (const [i, token] of asked.at.entries()) ofTokens[token] = (target as Int32Array)[asked.words[i]];
  return ofTokens;
}
