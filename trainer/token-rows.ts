import { type Encoded, lengthsOf, padBatch } from '../data/batches';
import { architectureOf } from '../model/architectures';
import type { Checkpoint } from '../model/checkpoint';
import { positionIds } from '../model/positions';
import type { RowBatch } from './batch-parts';
import { MASKED, TOKEN_NUMBERS } from './network';

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
    const { ids, typeIds, mask, B, S } = padBatch(
      rows.map((row) => this.read(row)),
      config.padTokenId,
    );
    const columns = { ids, positions: positionIds(config, ids, S), segments: typeIds };
    const numbers = new Float32Array(B * S * TOKEN_NUMBERS.length);
    for (const [at, index] of TOKEN_NUMBERS.entries()) {
      for (let token = 0; token < B * S; token++) numbers[token * TOKEN_NUMBERS.length + at] = columns[index][token];
    }
    return {
      rows: this.readsWords ? { words: this.wordRows(ids), numbers } : { numbers },
      mask: Float32Array.from(mask, (real) => (real ? 0 : MASKED)),
      B,
      S,
    };
  }

  /** Number of tokens of each row that the network reads. */
  lengths = (rows: readonly Encoded[]) => lengthsOf(rows.map((row) => this.read(row)));

  /**
   * Part of a row that the network reads. A task head that reads the last token takes the rightmost
   * one whose id is not the padding token's, as transformers does. Nothing after it counts.
   */
  private read(row: Encoded): Encoded {
    const { config } = this.checkpoint;
    if (row.asked || architectureOf(config).taskHead(config, 'sequence').reads !== 'last') return row;
    const { ids, typeIds } = row;
    let length = ids.length;
    while (length > 1 && ids[length - 1] === config.padTokenId) length--;
    return { ids: ids.slice(0, length), typeIds: typeIds.slice(0, length) } as Encoded;
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
