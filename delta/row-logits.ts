/** Logits of all rows, in the rows' order, [n, C]. */
export interface Logits {
  values: Float32Array;
  outputs: number;
}
