import * as fs from 'node:fs';
import * as path from 'node:path';
import { sha256Of } from '../foundation/hash';
import { SAVED_MODEL } from './saved-model';
import type { TensorFlow } from './session';

/** Graph in the engine, loaded from a file. */
interface KeptGraph {
  /** SHA-256 of the file. */
  sha256: string;
  id: number;
  inUse: boolean;
  /** Number of sessions that have had it. */
  uses: number;
}

/**
 * TensorFlow that keeps the last graph when its session closes, with all that it has compiled for
 * it. The next session with the same graph gets it again; another one frees its memory first. A
 * session assigns all variables when it opens, so results do not depend on earlier sessions.
 */
export function keepingGraph(tf: TensorFlow): TensorFlow {
  let kept: KeptGraph | undefined;
  const drop = () => {
    if (kept) tf.deleteSavedModel(kept.id);
    kept = undefined;
  };
  const keeping: Pick<TensorFlow, 'loadSavedModel' | 'deleteSavedModel' | 'graphUses'> = {
    loadSavedModel(folder: string, tag: string): number {
      const sha256 = sha256Of(fs.readFileSync(path.join(folder, SAVED_MODEL)));
      if (kept?.inUse) return tf.loadSavedModel(folder, tag);
      if (kept?.sha256 !== sha256) {
        drop();
        kept = { sha256, id: tf.loadSavedModel(folder, tag), inUse: false, uses: 0 };
      }
      const graph = kept as KeptGraph;
      graph.inUse = true;
      graph.uses++;
      return graph.id;
    },
    deleteSavedModel(id: number): void {
      if (kept?.id === id) kept.inUse = false;
      else tf.deleteSavedModel(id);
    },
    get graphUses() {
      return kept?.uses ?? 0;
    },
  };
  return Object.setPrototypeOf(keeping, tf);
}
