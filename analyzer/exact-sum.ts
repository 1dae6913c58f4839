/*
 * Sums of doubles with the same bits in any order and any partition (docs/method.md): fixed point
 * in four bins. A value is rounded once to a multiple of 2⁻⁷⁸ and split without error into
 * multiples of the four quanta: `(v + M) − M` rounds v to M's last place. Each bin adds whole
 * multiples of its quantum, below 2⁵³ of them, so its additions are exact.
 */

/** Exponents of the bins' quanta: 2⁰, 2⁻²⁶, 2⁻⁵², 2⁻⁷⁸. */
const EXPONENTS = [0, -26, -52, -78] as const;
const BINS = EXPONENTS.length;

/** Adding and subtracting 1.5·2⁵²·quantum rounds to a multiple of the quantum. */
const [M0, M1, M2, M3] = EXPONENTS.map((exponent) => 1.5 * 2 ** (52 + exponent));

/** Largest absolute value that may be added. */
export const EXACT_SUM_RANGE = 2 ** 26;

/** Maximum number of values in one sum: 2²⁶ values of 2²⁶ quanta each stay below 2⁵³. */
export const EXACT_SUM_COUNT = 2 ** 26;

/** Number of bins of `length` sums. */
export const exactSumNumbers = (length: number) => BINS * length;

/**
 * Index of the first bin that is no whole multiple of its quantum, so that no sum has it; −1 if
 * there is none.
 */
export function notExact(bins: ArrayLike<number>): number {
  const length = bins.length / BINS;
  for (let i = 0; i < bins.length; i++) {
    if (!Number.isInteger(bins[i] * 2 ** -EXPONENTS[Math.floor(i / length)])) return i;
  }
  return -1;
}

/** Array of `length` sums. */
export class ExactSums {
  /** Bins, [bins, length], bin by bin; each entry is a whole multiple of its bin's quantum. */
  readonly bins: Float64Array;
  private readonly bin0: Float64Array;
  private readonly bin1: Float64Array;
  private readonly bin2: Float64Array;
  private readonly bin3: Float64Array;

  /** @param bins bins of sums to continue, which are used without a copy */
  constructor(
    readonly length: number,
    bins?: Float64Array,
  ) {
    if (bins && bins.length !== exactSumNumbers(length)) {
      throw new RangeError(`${length} exact sums need ${exactSumNumbers(length)} numbers; got ${bins.length}`);
    }
    this.bins = bins ?? new Float64Array(BINS * length);
    [this.bin0, this.bin1, this.bin2, this.bin3] = EXPONENTS.map((_, b) =>
      this.bins.subarray(b * length, (b + 1) * length),
    );
  }

  /**
   * Adds `value` to sum `index`.
   *
   * @throws RangeError if the value is beyond ±2²⁶ or not a number
   */
  add(index: number, value: number): void {
    if (!(value <= EXACT_SUM_RANGE && value >= -EXACT_SUM_RANGE)) {
      throw new RangeError(`${value} cannot be summed exactly; values must be within ±${EXACT_SUM_RANGE}`);
    }
    const part0 = value + M0 - M0;
    const rest0 = value - part0;
    const part1 = rest0 + M1 - M1;
    const rest1 = rest0 - part1;
    const part2 = rest1 + M2 - M2;
    const rest2 = rest1 - part2;
    this.bin0[index] += part0;
    this.bin1[index] += part1;
    this.bin2[index] += part2;
    this.bin3[index] += rest2 + M3 - M3;
  }

  /** Adds other sums to these, sum by sum. */
  merge(other: ExactSums): void {
    if (other.length !== this.length) throw new RangeError(`cannot merge ${this.length} sums with ${other.length}`);
    for (let i = 0; i < this.bins.length; i++) this.bins[i] += other.bins[i];
  }

  /** Returns sum `index`, rounded once to the nearest double. */
  value(index: number): number {
    let units = 0n; // in quanta of the last bin
    for (let b = 0; b < BINS; b++) {
      const quanta = this.bins[b * this.length + index] * 2 ** -EXPONENTS[b];
      units += BigInt(quanta) << BigInt(EXPONENTS[b] - EXPONENTS[BINS - 1]);
    }
    return Number(units) * 2 ** EXPONENTS[BINS - 1];
  }
}
