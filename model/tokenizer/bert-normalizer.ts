import { BERT_WORDS, DROPPED, IDEOGRAPHS, MARKS, SPACES } from './bert-characters';
import { lowerCase } from './lower-case';
import { normalForm } from './normal-form';

/** Settings of a `BertNormalizer` in tokenizer.json. */
export interface BertNormalizerSettings {
  clean_text?: boolean;
  handle_chinese_chars?: boolean;
  strip_accents?: boolean | null;
  lowercase?: boolean;
}

/** Text in which only letter case can change. */
const PLAIN = /^[\x20-\x7e]*$/;

/**
 * Creates BERT's normalizer as in Hugging Face's Rust library: accents are stripped before letters
 * are lower-cased, and a word's last Σ becomes σ like any other.
 */
export function bertNormalizer(settings: BertNormalizerSettings): (text: string) => string {
  const { clean_text = true, handle_chinese_chars = true, strip_accents, lowercase = true } = settings;
  return (text) => {
    if (PLAIN.test(text)) return lowercase ? text.toLowerCase() : text;
    let normal = text;
    if (clean_text) normal = normal.replace(DROPPED, '').replace(SPACES, ' ');
    if (handle_chinese_chars) normal = normal.replace(IDEOGRAPHS, ' $& ');
    if (strip_accents ?? lowercase) normal = normalForm(normal, 'NFD').replace(MARKS, '');
    return lowercase ? lowerCase(normal) : normal;
  };
}

/**
 * Splits a text into words and punctuation characters, without white space: BERT's pre-tokenizer.
 */
export const bertWords = (text: string): string[] => text.match(BERT_WORDS) ?? [];
