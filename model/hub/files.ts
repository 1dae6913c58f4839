import { TOKENIZER_FILES } from '../tokenizer/files';
import { isSentencePiece } from '../tokenizer/sentencepiece-file';
import { weightsFormOf } from '../weights';

/**
 * Selects the files that a model needs from a repository's. The index names the pieces of sharded
 * weights, which are not included. A SentencePiece model is not needed beside tokenizer.json.
 */
export function neededFiles(names: readonly string[]): string[] {
  const form = weightsFormOf((name) => names.includes(name));
  const weights = form === undefined ? [] : [names.includes(form.single) ? form.single : form.index];
  const tokenizer = TOKENIZER_FILES.filter((name) => !(isSentencePiece(name) && names.includes('tokenizer.json')));
  return ['config.json', ...tokenizer, ...weights].filter((name) => names.includes(name));
}
