import * as path from 'node:path';
import { modelState } from '../model/files-state';
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
    const key = JSON.stringify([path.resolve(folder), settings, modelState(folder)]);
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
