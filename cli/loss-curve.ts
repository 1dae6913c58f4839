const BARS = '▁▂▃▄▅▆▇█';
/**
 * Weight of a new loss in the smoothed loss; without smoothing, the noise of single steps would
 * hide the trend.
 */
const NEW = 0.3;

/** Losses of a training as a line of bars, from the first step to the latest. */
export class LossCurve {
  /** Smoothed losses, each the mean of `step` of them. */
  private points: number[] = [];
  private step = 1;
  private smooth: number | undefined;
  private sum = 0;
  private count = 0;

  /** Creates a curve. @param most largest number of bars; it stores at most twice as many losses */
  constructor(private readonly most: number) {}

  add(loss: number): void {
    this.smooth = this.smooth === undefined ? loss : this.smooth + NEW * (loss - this.smooth);
    this.sum += this.smooth;
    if (++this.count < this.step) return;
    this.points.push(this.sum / this.count);
    [this.sum, this.count] = [0, 0];
    if (this.points.length < 2 * this.most) return;
    this.points = halved(this.points);
    this.step *= 2;
  }

  /**
   * Returns the line: `█▆▄▃▂▁`. The highest loss so far is a full bar, the lowest the smallest one.
   * Empty with fewer than two losses.
   */
  text(): string {
    const shown = this.points.length > this.most ? halved(this.points) : this.points;
    if (shown.length < 2) return '';
    const [least, most] = [Math.min(...shown), Math.max(...shown)];
    const bar = (loss: number) => BARS[most > least ? Math.round(((loss - least) / (most - least)) * 7) : 0];
    return shown.map(bar).join('');
  }
}

/** Averages pairs of neighbours; a last one without a neighbour stays. */
function halved(values: readonly number[]): number[] {
  return values.flatMap((value, i) => (i % 2 === 1 ? [] : [(value + (values[i + 1] ?? value)) / 2]));
}
