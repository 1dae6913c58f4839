import { type Encoded, padBatch } from '../data/batches';
import { architectureOf } from '../model/architectures';
import type { Checkpoint } from '../model/checkpoint';
import { positionIds } from '../model/positions';
import { TOKEN_NUMBERS } from './network';
import type { RowBatch } from './program';

/** Added to the attention scores of padding: their probability is exactly 0. */
export const PADDING = -1e9;

/**
 * Rows of tokens as the network reads them. A word's embedding is read from the checkpoint when the
 * word first occurs: the table may have a quarter of a million rows.
 */
export class TokenRows {
  private readonly words = new Map<number, Float32Array>(); // [E] each

  /** @param readsWords whether the word table is frozen, so that the network is given its rows */
  constructor(
    private readonly checkpoint: Checkpoint,
    private readonly readsWords = true,
  ) {}

  /**
   * Pads rows to the longest. Ids must be below the model's number of words: `encodeRows` checks
   * that.
   */
  batch(rows: readonly Encoded[]): RowBatch {
    const { config } = this.checkpoint;
    const { ids, typeIds, mask, B, S } = padBatch(rows, config.padTokenId);
    const columns = { ids, positions: positionIds(config, ids, S), segments: typeIds };
    const numbers = new Float32Array(B * S * TOKEN_NUMBERS.length);
    for (const [at, index] of TOKEN_NUMBERS.entries()) {
      for (let token = 0; token < B * S; token++) numbers[token * TOKEN_NUMBERS.length + at] = columns[index][token];
    }
    return {
      rows: this.readsWords ? { words: this.wordRows(ids), numbers } : { numbers },
      mask: Float32Array.from(mask, (real) => (real ? 0 : PADDING)),
      B,
      S,
    };
  }

  /** // [B·S] → [B·S, E] */
  private wordRows(ids: Int32Array): Float32Array {
    const { embeddingSize } = this.checkpoint.config;
    const rows = new Float32Array(ids.length * embeddingSize);
    ids.forEach((id, token) => {
      rows.set(this.word(id), token * embeddingSize);
    });
    return rows;
  }

  private word(id: number): Float32Array {
    let row = this.words.get(id);
    if (!row) {
      const { wordEmbeddings } = architectureOf(this.checkpoint.config);
      row = this.checkpoint.tensor(`${wordEmbeddings}.weight`, id);
      this.words.set(id, row);
    }
    return row;
  }
}
