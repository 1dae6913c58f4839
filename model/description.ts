import * as fs from 'node:fs';
import * as path from 'node:path';
import type { ReportModel } from '../heads/head-report';
import { type Checkpoint, openCheckpoint } from './checkpoint';
import { headParameters } from './head-parameters';
import { layerParameters } from './layer-parameters';
import { neuronSizes } from './neuron-sizes';

/** Description of a model from its files, without loading it. */
export interface ModelDescription extends ReportModel {
  /** Maximum length of a sequence in tokens. */
  maxLength: number;
}

/** Number of cached descriptions. */
const MOST_CACHED = 64;

/**
 * Describes model folders. The weights are hashed once, and again if a file of the folder has
 * changed.
 */
export class ModelDescriptions {
  private readonly cached = new Map<string, { stamp: string; description: Promise<ModelDescription> }>();

  /** Describes a folder. @throws HifiError INVALID_INPUT if it is no model */
  async of(folder: string): Promise<ModelDescription> {
    const stamp = stampOf(folder);
    const found = this.cached.get(folder);
    if (found?.stamp === stamp) return found.description;
    const description = describe(folder);
    this.cached.delete(folder);
    this.cached.set(folder, { stamp, description });
    if (this.cached.size > MOST_CACHED) this.cached.delete([...this.cached.keys()][0]);
    try {
      return await description;
    } catch (error) {
      if (this.cached.get(folder)?.description === description) this.cached.delete(folder);
      throw error;
    }
  }
}

/** Description of an open model, as a report has it. */
export function reportModelOf({ name, sha256, parameters, config }: Checkpoint): ReportModel {
  const { architecture, layers, heads, headDim, hiddenSize } = config;
  const sizes = { architecture, layers, heads, headDim, hiddenSize };
  const parts = {
    ...{ headParameters: headParameters(config), layerParameters: layerParameters(config) },
    neurons: neuronSizes(config),
  };
  return { name, sha256, ...sizes, parameters, ...parts };
}

async function describe(folder: string): Promise<ModelDescription> {
  const checkpoint = await openCheckpoint(folder);
  try {
    return { ...reportModelOf(checkpoint), maxLength: checkpoint.config.maxPositions };
  } finally {
    checkpoint.close();
  }
}

/** State of a folder: name, size, times and inode of each file. It changes when a file changes. */
function stampOf(folder: string): string {
  const names = fs.existsSync(folder) ? fs.readdirSync(folder).sort() : [];
  return JSON.stringify(
    names.map((name) => {
      const stat = fs.statSync(path.join(folder, name), { throwIfNoEntry: false });
      return [name, stat?.ino, stat?.size, stat?.mtimeMs, stat?.ctimeMs];
    }),
  );
}
