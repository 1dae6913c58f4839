import { TOKENIZER_FILES } from '../tokenizer/files';
import { weightsFormOf } from '../weights';

/**
 * Selects the files that a model needs from a repository's. The index names the pieces of sharded
 * weights, which are not included.
 */
export function neededFiles(names: readonly string[]): string[] {
  const form = weightsFormOf((name) => names.includes(name));
  const weights = form === undefined ? [] : [names.includes(form.single) ? form.single : form.index];
  return ['config.json', ...TOKENIZER_FILES, ...weights].filter((name) => names.includes(name));
}

/** Returns true if a folder or repository has a tokenizer in a supported form. */
export const hasTokenizer = (has: (name: string) => boolean) =>
  has('tokenizer.json') || has('vocab.txt') || (has('vocab.json') && has('merges.txt'));
