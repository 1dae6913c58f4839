import { MIB } from './warm-memory';

/** Most memory that waits for its next use, in bytes. */
const MOST_FREE = 32 * MIB;

/**
 * Memory of deltas that have left, for the next ones. With new memory for each delta the garbage
 * collector would run for every tenth or so, for tens of milliseconds.
 */
export class ReusedMemory {
  private free = new Map<number, Float32Array[]>();
  private bytes = 0;
  private leaving: Float32Array[] = [];

  /** Numbers with any values. */
  numbers(count: number): Float32Array {
    const known = this.free.get(count)?.pop();
    this.bytes -= known?.byteLength ?? 0;
    return known ?? new Float32Array(count);
  }

  /** Takes numbers back that are in use until {@link settle}. */
  give(numbers: readonly Float32Array[]): void {
    this.leaving.push(...numbers);
  }

  /** Frees all that was taken back. */
  settle(): void {
    for (const numbers of this.leaving) {
      if (this.bytes + numbers.byteLength > MOST_FREE) {
        this.free.clear();
        this.bytes = 0;
      }
      this.free.set(numbers.length, [...(this.free.get(numbers.length) ?? []), numbers]);
      this.bytes += numbers.byteLength;
    }
    this.leaving = [];
  }
}
