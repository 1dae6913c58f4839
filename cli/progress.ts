import type { SingleBar } from 'cli-progress';
import type { StageProgress } from '../foundation/progress';
import { LossCurve } from './loss-curve';
import { hasColours, secondsText, wrapped } from './output';

/** Progress of a stage as shown. */
export type StageEvent = Omit<StageProgress, 'kind'>;

/** Shortest time between two plain lines, in milliseconds. */
const LINE_INTERVAL = 3_000;
const BAR_WIDTH = 24;
/** Smallest bar; on a narrower line the text is shortened instead. */
const LEAST_BAR = 8;
/** Width of the loss curve; a narrow terminal does not show it. */
const CURVE_WIDTH = 16;

/**
 * Progress on stderr: a live bar on a terminal, in a training with its loss as a curve. Elsewhere a
 * plain line every few seconds, the first one at once. `say` writes permanent lines, so that the
 * bar does not garble them.
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

  /** Shows the progress of a stage. */
  at(event: StageEvent): void {
    const now = performance.now();
    if (event.stage !== this.stage) {
      Object.assign(this, { stage: event.stage, stageStart: now, stageFrom: event.done });
      this.curve = new LossCurve(CURVE_WIDTH);
    }
    if (event.loss !== undefined) this.curve.add(event.loss);
    const parts = this.partsOf(event, now);
    if (this.live) {
      this.bar ??= this.newBar(event);
      this.bar.setTotal(Math.max(1, event.total));
      this.bar.update(event.done, { line: this.line(event, parts) });
    } else if (now - this.lastLine >= LINE_INTERVAL) {
      this.lastLine = now;
      this.stream.write(`${`${event.stage}  ${inWords(parts)}`.trimEnd()}\n`);
    }
  }

  /** Writes a permanent line. */
  say(line: string): void {
    this.stop();
    const lines = this.live ? wrapped(line, this.stream.columns ?? 80) : [line];
    this.stream.write(`${lines.join('\n')}\n`);
  }

  /** Removes the bar. */
  stop(): void {
    this.bar?.stop();
    this.bar = undefined;
  }

  private newBar({ total, done }: StageEvent): SingleBar {
    // Loaded only if needed: most runs have no terminal, and every millisecond of a start counts.
    const { SingleBar } = require('cli-progress') as typeof import('cli-progress');
    const bar = new SingleBar({
      stream: this.stream,
      format: (_options, _params, { line }) => line,
      clearOnComplete: true,
      fps: 5,
    });
    bar.start(Math.max(1, total), done, { line: this.stage });
    return bar;
  }

  /** Returns the live line: stage, bar, progress and, if there is room, the loss curve. */
  private line(event: StageEvent, parts: ProgressParts): string {
    const { stage, done, total } = event;
    // A single unit, such as loading a model, has no intermediate progress.
    if (total <= 1) return `${stage} …`;
    const columns = (this.stream.columns ?? 80) - 1;
    const room = (text: string) => columns - stage.length - text.length - 4;
    const texts = [parts, { ...parts, rate: undefined }, { ...parts, rate: undefined, unit: '' }].map(inWords);
    const text = texts.find((each) => room(each) >= LEAST_BAR) ?? (texts.at(-1) as string);
    const width = Math.min(BAR_WIDTH, room(text));
    if (width < LEAST_BAR) return `${stage}  ${text}`;
    const full = Math.round(width * Math.min(1, done / total));
    const bar = '━'.repeat(full) + '─'.repeat(width - full);
    const [colour, plain] = hasColours(this.stream) ? ['\u001b[36m', '\u001b[0m'] : ['', ''];
    const curve = this.curve.text();
    // A wrapped line could not be overwritten.
    const shown = curve !== '' && room(text) - width > CURVE_WIDTH ? `${text} ${curve}` : text;
    return `${stage}  ${colour}${bar}${plain}  ${shown}`;
  }

  /**
   * Computes the parts of a progress text. Rate and time come from the stage, else from its start
   * as seen here.
   */
  private partsOf({ done, total, unit, rate, remainingSeconds, loss, lr }: StageEvent, now: number): ProgressParts {
    const seconds = (now - this.stageStart) / 1000;
    const seen = rate ?? (done > this.stageFrom && seconds > 0.5 ? (done - this.stageFrom) / seconds : undefined);
    const left = remainingSeconds ?? (seen ? (total - done) / seen : undefined);
    const [scale, name] = unit !== 'bytes' ? [1, unit] : total >= 1e6 ? [1e6, 'MB'] : [1e3, 'kB'];
    return {
      ...(total > 1 && { amount: `${Math.round(done / scale)}/${Math.round(total / scale)}`, unit: ` ${name}` }),
      ...(seen && total > 1 && { rate: `${threeDigits(seen / scale)}${scale > 1 ? ` ${name}` : ''}/s` }),
      ...(left !== undefined && done < total && { left: `${secondsText(left)} left` }),
      ...(loss !== undefined && { loss: `loss ${loss.toFixed(4)}${lr === undefined ? '' : ` after a step of ${lr}`}` }),
    };
  }
}

/** Parts of a progress text; a narrow terminal shows only some. */
interface ProgressParts {
  amount?: string;
  unit?: string;
  rate?: string;
  left?: string;
  loss?: string;
}

/** Joins the parts: `128/300 sequences, 85/s, 2 s left`. */
function inWords({ amount, unit = '', rate, left, loss }: ProgressParts): string {
  return [amount && `${amount}${unit}`, rate, left, loss].filter((part) => part !== undefined).join(', ');
}

const threeDigits = (value: number) => (value >= 100 ? String(Math.round(value)) : value.toPrecision(3));
