const BARS = '▁▂▃▄▅▆▇█';
/** Share of a new loss in the smoothed one, which a step's own noise would hide. */
const NEW = 0.3;

/** The losses of a training as a line of bars, from its first step to the latest. */
export class LossCurve {
  /** Smoothed losses, each the mean of `step` of them. */
  private points: number[] = [];
  private step = 1;
  private smooth: number | undefined;
  private sum = 0;
  private count = 0;

  /** @param most bars; twice as many losses are kept at most, however long the training is */
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

  /** `█▆▄▃▂▁`: the highest loss so far is a whole bar, the lowest the least; empty with fewer than two. */
  text(): string {
    const shown = this.points.length > this.most ? halved(this.points) : this.points;
    if (shown.length < 2) return '';
    const [least, most] = [Math.min(...shown), Math.max(...shown)];
    const bar = (loss: number) => BARS[most > least ? Math.round(((loss - least) / (most - least)) * 7) : 0];
    return shown.map(bar).join('');
  }
}

/** Means of neighbours; a last one without a neighbour stays. */
function halved(values: readonly number[]): number[] {
  return values.flatMap((value, i) => (i % 2 === 1 ? [] : [(value + (values[i + 1] ?? value)) / 2]));
}
