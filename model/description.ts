import * as fs from 'node:fs';
import * as path from 'node:path';
import type { ReportModel } from '../heads/head-report';
import { openCheckpoint } from './checkpoint';

/** What a model is, as far as its files tell without loading it. */
export interface ModelDescription extends ReportModel {
  /** The longest sequence, in tokens. */
  maxLength: number;
}

/** Folders that are remembered. */
const MOST_KNOWN = 64;

/** Describes model folders; the weights are hashed once, and again when a file of the folder has changed. */
export class ModelDescriptions {
  private readonly known = new Map<string, { stamp: string; description: Promise<ModelDescription> }>();

  /** @throws HifiError INVALID_INPUT for a folder that is no model */
  async of(folder: string): Promise<ModelDescription> {
    const stamp = stampOf(folder);
    const found = this.known.get(folder);
    if (found?.stamp === stamp) return found.description;
    const description = describe(folder);
    this.known.delete(folder);
    this.known.set(folder, { stamp, description });
    if (this.known.size > MOST_KNOWN) this.known.delete([...this.known.keys()][0]);
    try {
      return await description;
    } catch (error) {
      if (this.known.get(folder)?.description === description) this.known.delete(folder);
      throw error;
    }
  }
}

async function describe(folder: string): Promise<ModelDescription> {
  const checkpoint = await openCheckpoint(folder);
  try {
    const { name, sha256, parameters, config } = checkpoint;
    const { architecture, layers, heads, headDim, hiddenSize, maxPositions: maxLength } = config;
    return { name, sha256, architecture, layers, heads, headDim, hiddenSize, parameters, maxLength };
  } finally {
    checkpoint.close();
  }
}

/** Tells by name, size, time and number of each file whether a folder is as it was. */
function stampOf(folder: string): string {
  const names = fs.existsSync(folder) ? fs.readdirSync(folder).sort() : [];
  return JSON.stringify(
    names.map((name) => {
      const stat = fs.statSync(path.join(folder, name), { throwIfNoEntry: false });
      return [name, stat?.ino, stat?.size, stat?.mtimeMs, stat?.ctimeMs];
    }),
  );
}
