import type { ModelConfig } from './architecture';

/** Config and weights of a graph. */
export interface GraphSource {
  config: ModelConfig;
  /** Numbers of a tensor by its canonical name. */
  tensor(canonical: string): Float32Array;
}
