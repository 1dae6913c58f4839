import { TOKENIZER_FILES } from '../tokenizer/files';
import { weightsFormOf } from '../weights';

/** Of a repository's files those that a model needs, but for the pieces of its weights, which the index names. */
export function neededFiles(names: readonly string[]): string[] {
  const form = weightsFormOf((name) => names.includes(name));
  const weights = form === undefined ? [] : [names.includes(form.single) ? form.single : form.index];
  return ['config.json', ...TOKENIZER_FILES, ...weights].filter((name) => names.includes(name));
}

/** Whether a folder or repository has a tokenizer in one of the forms that are read. */
export const hasTokenizer = (has: (name: string) => boolean) =>
  has('tokenizer.json') || has('vocab.txt') || (has('vocab.json') && has('merges.txt'));
