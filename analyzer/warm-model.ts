import * as fs from 'node:fs';
import * as path from 'node:path';
import { TOKENIZER_FILES } from '../model/tokenizer/files';
import { WEIGHTS_FORMS } from '../model/weights';
import { type LoadedModel, loadModel, type ModelSettings, type ModelSource } from './loaded-model';

/** Keeps the last model for an analysis of the same folder with the same settings, as long as its files are the same. */
export class WarmModel implements ModelSource {
  private kept: { key: string; model: LoadedModel } | undefined;

  async take(folder: string, settings: ModelSettings): Promise<LoadedModel> {
    // Looked at before they are read: a file that changes meanwhile is read anew the next time.
    const key = JSON.stringify([path.resolve(folder), settings, filesOf(folder)]);
    const { kept } = this;
    if (kept?.key === key && kept.model.encoder.sound) return kept.model;
    this.kept = undefined;
    // Before the other is loaded: memory for two may not be there.
    await kept?.model.release();
    const model = await loadModel(folder, settings);
    this.kept = { key, model };
    return model;
  }

  async giveBack(): Promise<void> {}
}

const FILES = ['config.json', ...WEIGHTS_FORMS.map(({ index }) => index), ...TOKENIZER_FILES];
const ENDINGS = WEIGHTS_FORMS.map(({ ending }) => ending);

/** What tells a changed file, of each that a model may be read from. */
function filesOf(folder: string): [name: string, size: number, mtimeMs: number, inode: number][] {
  const names = fs.existsSync(folder) ? fs.readdirSync(folder).sort() : [];
  return names
    .filter((name) => FILES.includes(name) || ENDINGS.some((ending) => name.endsWith(ending)))
    .map((name) => {
      const { size, mtimeMs, ino } = fs.statSync(path.join(folder, name));
      return [name, size, mtimeMs, ino];
    });
}
