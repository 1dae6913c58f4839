import * as fs from 'node:fs';
import * as path from 'node:path';
import { TOKENIZER_FILES } from './tokenizer/files';
import { WEIGHTS_FORMS } from './weights';

const MODEL_FILES = ['config.json', ...WEIGHTS_FORMS.map(({ index }) => index), ...TOKENIZER_FILES];
const ENDINGS = [...WEIGHTS_FORMS.map(({ ending }) => ending), '.onnx', '.onnx_data'];

/** State of the files from which a model may be read. It differs for a changed file. */
export function modelState(folder: string): string {
  const named = (where: string) => (fs.existsSync(where) ? fs.readdirSync(where).sort() : []);
  const names = [...named(folder), ...named(path.join(folder, 'onnx')).map((name) => path.join('onnx', name))];
  return filesState(
    folder,
    names.filter((name) => MODEL_FILES.includes(name) || ENDINGS.some((ending) => name.endsWith(ending))),
  );
}

/** State of some files of a folder; a missing one has none. It differs for a changed file. */
export function filesState(folder: string, names: readonly string[]): string {
  const states = names.map((name) => {
    const stat = fs.statSync(path.join(folder, name), { throwIfNoEntry: false });
    return stat && [name, stat.size, stat.mtimeMs, stat.ino];
  });
  return JSON.stringify(states);
}
