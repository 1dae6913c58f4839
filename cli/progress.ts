import type { SingleBar } from 'cli-progress';
import type { StageProgress } from '../progress';
import { LossCurve } from './loss-curve';
import { hasColours, secondsText } from './output';

/** What is shown of a stage. */
export type StageEvent = Omit<StageProgress, 'kind'>;

/** Least time between two plain lines, in milliseconds. */
const LINE_INTERVAL = 3_000;
const BAR_WIDTH = 24;
/** Bars of the loss curve; on a narrow terminal it is left out. */
const CURVE_WIDTH = 16;

/**
 * Progress on stderr: a live bar where that is a terminal, in a training with its loss as a curve, else a plain line every few
 * seconds, the first at once.
 * Lines that stay are written with `say`, so that the bar does not tear them.
 */
export class Progress {
  private readonly live: boolean;
  private bar: SingleBar | undefined;
  private lastLine = Number.NEGATIVE_INFINITY;
  private stage = '';
  private stageStart = 0;
  private stageFrom = 0;
  private curve = new LossCurve(CURVE_WIDTH);

  constructor(private readonly stream: NodeJS.WriteStream = process.stderr) {
    this.live = stream.isTTY === true && process.env.TERM !== 'dumb';
  }

  /** How far the work is. */
  at(event: StageEvent): void {
    const now = performance.now();
    if (event.stage !== this.stage) {
      Object.assign(this, { stage: event.stage, stageStart: now, stageFrom: event.done });
      this.curve = new LossCurve(CURVE_WIDTH);
    }
    if (event.loss !== undefined) this.curve.add(event.loss);
    const text = this.text(event, now);
    if (this.live) {
      this.bar ??= this.newBar(event);
      this.bar.setTotal(Math.max(1, event.total));
      this.bar.update(event.done, { stage: event.stage, text: this.withCurve(event, text) });
    } else if (now - this.lastLine >= LINE_INTERVAL) {
      this.lastLine = now;
      this.stream.write(`${`${event.stage}  ${text}`.trimEnd()}\n`);
    }
  }

  /** A line that stays. */
  say(line: string): void {
    this.stop();
    this.stream.write(`${line}\n`);
  }

  /** Takes the bar away. */
  stop(): void {
    this.bar?.stop();
    this.bar = undefined;
  }

  private newBar({ total, done }: StageEvent): SingleBar {
    // Loaded where it is needed: most runs are no terminal's, and every millisecond of a start counts.
    const { SingleBar } = require('cli-progress') as typeof import('cli-progress');
    const [colour, plain] = hasColours(this.stream) ? ['\u001b[36m', '\u001b[0m'] : ['', ''];
    const bar = new SingleBar({
      stream: this.stream,
      format: `{stage}  ${colour}{bar}${plain}  {text}`,
      barCompleteChar: '━',
      barIncompleteChar: '─',
      barsize: BAR_WIDTH,
      clearOnComplete: true,
      fps: 5,
    });
    bar.start(Math.max(1, total), done, { stage: this.stage, text: '' });
    return bar;
  }

  /** The text with the curve of the losses after it, where the line has the room: a line that wraps is not taken back. */
  private withCurve({ stage }: StageEvent, text: string): string {
    const curve = this.curve.text();
    const room = (this.stream.columns ?? 80) - stage.length - BAR_WIDTH - 5;
    return curve !== '' && text.length + CURVE_WIDTH + 1 <= room ? `${text} ${curve}` : text;
  }

  /** `128/300 sequences, 85/s, 2 s left`. Rate and time come from the stage itself, else from its start as seen here. */
  private text({ done, total, unit, rate, remainingSeconds, loss }: StageEvent, now: number): string {
    const seconds = (now - this.stageStart) / 1000;
    const seen = rate ?? (done > this.stageFrom && seconds > 0.5 ? (done - this.stageFrom) / seconds : undefined);
    const left = remainingSeconds ?? (seen ? (total - done) / seen : undefined);
    const scale = unit === 'bytes' ? 1e6 : 1;
    const name = unit === 'bytes' ? 'MB' : unit;
    return [
      // One thing to be done, such as loading a model, has no numbers worth telling.
      ...(total > 1 ? [`${Math.round(done / scale)}/${Math.round(total / scale)} ${name}`] : []),
      ...(seen && total > 1 ? [`${threeDigits(seen / scale)}${scale > 1 ? ` ${name}` : ''}/s`] : []),
      ...(left !== undefined && done < total ? [`${secondsText(left)} left`] : []),
      ...(loss !== undefined ? [`loss ${loss.toFixed(4)}`] : []),
    ].join(', ');
  }
}

const threeDigits = (value: number) => (value >= 100 ? String(Math.round(value)) : value.toPrecision(3));
