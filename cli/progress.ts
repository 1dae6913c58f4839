import type { SingleBar } from 'cli-progress';
import type { StageProgress } from '../foundation/progress';
import { LossCurve } from './loss-curve';
import { hasColours, secondsText, wrapped } from './output';

/** What is shown of a stage. */
export type StageEvent = Omit<StageProgress, 'kind'>;

/** Least time between two plain lines, in milliseconds. */
const LINE_INTERVAL = 3_000;
const BAR_WIDTH = 24;
/** Where a line leaves the bar less than that, it tells less instead. */
const LEAST_BAR = 8;
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
    const told = this.told(event, now);
    if (this.live) {
      this.bar ??= this.newBar(event);
      this.bar.setTotal(Math.max(1, event.total));
      this.bar.update(event.done, { line: this.line(event, told) });
    } else if (now - this.lastLine >= LINE_INTERVAL) {
      this.lastLine = now;
      this.stream.write(`${`${event.stage}  ${inWords(told)}`.trimEnd()}\n`);
    }
  }

  /** A line that stays. */
  say(line: string): void {
    this.stop();
    const lines = this.live ? wrapped(line, this.stream.columns ?? 80) : [line];
    this.stream.write(`${lines.join('\n')}\n`);
  }

  /** Takes the bar away. */
  stop(): void {
    this.bar?.stop();
    this.bar = undefined;
  }

  private newBar({ total, done }: StageEvent): SingleBar {
    // Loaded where it is needed: most runs are no terminal's, and every millisecond of a start counts.
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

  /** The live line: stage, bar, how far it is and, where there is room, the losses as a curve. */
  private line(event: StageEvent, told: Told): string {
    const { stage, done, total } = event;
    // One thing to be done, such as loading a model, is begun or over.
    if (total <= 1) return `${stage} …`;
    const columns = (this.stream.columns ?? 80) - 1;
    const room = (text: string) => columns - stage.length - text.length - 4;
    const texts = [told, { ...told, rate: undefined }, { ...told, rate: undefined, unit: '' }].map(inWords);
    const text = texts.find((each) => room(each) >= LEAST_BAR) ?? (texts.at(-1) as string);
    const width = Math.min(BAR_WIDTH, room(text));
    if (width < LEAST_BAR) return `${stage}  ${text}`;
    const full = Math.round(width * Math.min(1, done / total));
    const bar = '━'.repeat(full) + '─'.repeat(width - full);
    const [colour, plain] = hasColours(this.stream) ? ['\u001b[36m', '\u001b[0m'] : ['', ''];
    const curve = this.curve.text();
    // A line that wraps is not taken back.
    const shown = curve !== '' && room(text) - width > CURVE_WIDTH ? `${text} ${curve}` : text;
    return `${stage}  ${colour}${bar}${plain}  ${shown}`;
  }

  /** What there is to tell of a stage. Rate and time come from the stage itself, else from its start as seen here. */
  private told({ done, total, unit, rate, remainingSeconds, loss }: StageEvent, now: number): Told {
    const seconds = (now - this.stageStart) / 1000;
    const seen = rate ?? (done > this.stageFrom && seconds > 0.5 ? (done - this.stageFrom) / seconds : undefined);
    const left = remainingSeconds ?? (seen ? (total - done) / seen : undefined);
    const [scale, name] = unit !== 'bytes' ? [1, unit] : total >= 1e6 ? [1e6, 'MB'] : [1e3, 'kB'];
    return {
      ...(total > 1 && { amount: `${Math.round(done / scale)}/${Math.round(total / scale)}`, unit: ` ${name}` }),
      ...(seen && total > 1 && { rate: `${threeDigits(seen / scale)}${scale > 1 ? ` ${name}` : ''}/s` }),
      ...(left !== undefined && done < total && { left: `${secondsText(left)} left` }),
      ...(loss !== undefined && { loss: `loss ${loss.toFixed(4)}` }),
    };
  }
}

/** How far a stage is, in pieces: on a narrow terminal some are left out. */
interface Told {
  amount?: string;
  unit?: string;
  rate?: string;
  left?: string;
  loss?: string;
}

/** `128/300 sequences, 85/s, 2 s left`. */
function inWords({ amount, unit = '', rate, left, loss }: Told): string {
  return [amount && `${amount}${unit}`, rate, left, loss].filter((part) => part !== undefined).join(', ');
}

const threeDigits = (value: number) => (value >= 100 ? String(Math.round(value)) : value.toPrecision(3));
