/** Logits of all rows, in the rows' order, [n, C]; or those of their words, row after row. */
export interface Logits {
  values: Float32Array;
  outputs: number;
  /**
   * First word of each row, and the number of words, if each word has logits. NaN are those of a
   * word that no token stands for. // [n + 1]
   */
  words?: Int32Array;
}
