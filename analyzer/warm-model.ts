import * as fs from 'node:fs';
import * as path from 'node:path';
import { TOKENIZER_FILES } from '../model/tokenizer/files';
import { WEIGHTS_FORMS } from '../model/weights';
import { type LoadedModel, loadModel, type ModelSettings, type ModelSource } from './loaded-model';

/**
 * Caches the last model for an analysis of the same folder with the same settings, while its files
 * are unchanged.
 */
export class WarmModel implements ModelSource {
  private cached: { key: string; model: LoadedModel } | undefined;

  async take(folder: string, settings: ModelSettings): Promise<LoadedModel> {
    // The state of the files is read before they are: a file that changes meanwhile is read again
    // next time.
    const key = JSON.stringify([path.resolve(folder), settings, filesOf(folder)]);
    const { cached } = this;
    if (cached?.key === key && cached.model.encoder.sound) return cached.model;
    this.cached = undefined;
    // The memory may not suffice for two models, so the old one is released first.
    await cached?.model.release();
    const model = await loadModel(folder, settings);
    this.cached = { key, model };
    return model;
  }

  async giveBack(): Promise<void> {}
}

const FILES = ['config.json', ...WEIGHTS_FORMS.map(({ index }) => index), ...TOKENIZER_FILES];
const ENDINGS = WEIGHTS_FORMS.map(({ ending }) => ending);

/** State of the files from which a model may be read. It differs for a changed file. */
function filesOf(folder: string): [name: string, size: number, mtimeMs: number, inode: number][] {
  const names = fs.existsSync(folder) ? fs.readdirSync(folder).sort() : [];
  return names
    .filter((name) => FILES.includes(name) || ENDINGS.some((ending) => name.endsWith(ending)))
    .map((name) => {
      const { size, mtimeMs, ino } = fs.statSync(path.join(folder, name));
      return [name, size, mtimeMs, ino];
    });
}
