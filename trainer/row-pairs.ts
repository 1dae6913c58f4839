import { randomStream } from '../data/random';

/** Pairs of training rows. */
export interface RowPairs {
  /** Rows 2i and 2i + 1 are pair i. // [2·n] */
  rows: Int32Array;
  /** 1 for two rows of one class, 0 for rows of two classes. // [n] */
  similar: Uint8Array;
}

/**
 * Partners of either kind that a row gets per epoch. Over the default five epochs these are 20, as
 * with `num_iterations = 20` in SetFit.
 */
const PARTNERS = 4;

/**
 * Pairs of one epoch, for contrastive training (SetFit: Tunstall et al. 2022, §3.1): each row with
 * {@link PARTNERS} rows of its class and as many of other classes, uniformly with replacement. Both
 * kinds are equally frequent however the classes are distributed. A row that is alone in its class
 * is its own partner; a row without other classes has no partner there. A pure function of its
 * arguments.
 *
 * @param classes class of each row // [n]
 * @param epoch number of the epoch, from 0
 */
export function rowPairs(classes: ArrayLike<number>, { seed, epoch }: { seed: number; epoch: number }): RowPairs {
  const random = randomStream(seed, `pairs/${epoch}`);
  const byClass = Int32Array.from(classes, (_, row) => row).sort((a, b) => classes[a] - classes[b] || a - b);
  const place = new Int32Array(byClass.length);
  byClass.forEach((row, at) => {
    place[row] = at;
  });
  const starts = new Map<number, number>();
  const sizes = new Map<number, number>();
  byClass.forEach((row, at) => {
    const name = classes[row];
    if (!starts.has(name)) starts.set(name, at);
    sizes.set(name, (sizes.get(name) ?? 0) + 1);
  });
  const rows: number[] = [];
  const similar: number[] = [];
  for (let row = 0; row < byClass.length; row++) {
    const [start, size] = [starts.get(classes[row])!, sizes.get(classes[row])!];
    const others = byClass.length - size;
    for (let i = 0; i < PARTNERS; i++) {
      const drawn = size === 1 ? 0 : random.int(size - 1);
      const at = start + drawn;
      rows.push(row, size > 1 && at >= place[row] ? byClass[at + 1] : byClass[at]);
      similar.push(1);
      if (others === 0) continue;
      const other = random.int(others);
      rows.push(row, byClass[other < start ? other : other + size]);
      similar.push(0);
    }
  }
  return { rows: Int32Array.from(rows), similar: Uint8Array.from(similar) };
}
