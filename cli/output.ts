import * as fs from 'node:fs';
import { failed, isNoSpace, noRoom } from '../foundation/errors';
import { percentDigits } from '../foundation/percent';

/*
 * Output of commands. stdout is for programs (one JSON document, or predictions), stderr for people
 * (progress, tables, paths).
 */

/** Prints a command's one JSON document. */
export async function printJson(value: unknown): Promise<void> {
  await printText(`${JSON.stringify(value)}\n`);
}

/**
 * Prints to stdout and waits while its reader is behind.
 *
 * @throws HifiError DISK_FULL or FAILED if stdout does not take all of it
 */
export async function printText(text: string): Promise<void> {
  if (printNow(text)) return;
  await new Promise<void>((resolve) => {
    process.stdout.once('drain', resolve);
  });
}

/**
 * Prints to stdout.
 *
 * @returns true if its reader keeps up
 * @throws HifiError as {@link printText}
 */
export function printNow(text: string): boolean {
  if (!isFile(process.stdout)) return process.stdout.write(text);
  writeAll(process.stdout.fd, text);
  return true;
}

/** Returns true for Node's streams on files, which ignore a short write, as a full disk causes. */
const isFile = (stream: object) => stream.constructor.name === 'SyncWriteStream';

function writeAll(descriptor: number, text: string): void {
  const bytes = Buffer.from(text);
  try {
    for (let done = 0; done < bytes.length; ) done += fs.writeSync(descriptor, bytes, done);
  } catch (error) {
    const { message } = error as Error;
    throw (isNoSpace(error) ? noRoom : failed)(`stdout cannot be written: ${message}`, error);
  }
}

/** Writes lines for people. Lines that are wider than the terminal are wrapped between words. */
export function writeLines(lines: readonly string[], stream: NodeJS.WriteStream = process.stderr): void {
  const width = stream.columns ?? Number.POSITIVE_INFINITY;
  stream.write(`${lines.flatMap((line) => wrapped(line, width)).join('\n')}\n`);
}

/** Returns true if a stream shows colours (https://no-color.org). */
export const hasColours = (stream: NodeJS.WriteStream) =>
  stream.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== 'dumb';

/** Smallest width of a wrapped column. */
const LEAST_WRAPPED = 20;

/**
 * Formats rows of cells as columns, two spaces apart. The columns in `right` are aligned to the
 * right, such as numbers. If a row is wider than `width`, its last column is wrapped between words.
 *
 * @param width width of the terminal; default: that of stderr, unlimited for a file
 */
export function table(
  rows: readonly (readonly string[])[],
  right: readonly number[] = [],
  width = process.stderr.columns ?? Number.POSITIVE_INFINITY,
): string[] {
  const widths: number[] = [];
  for (const row of rows) for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
  const last = widths.length - 1;
  const before = widths.slice(0, last).reduce((sum, each) => sum + each + 2, 0);
  const room = Math.max(LEAST_WRAPPED, width - before);
  const line = (row: readonly string[]) =>
    row
      .map((cell, i) => (right.includes(i) ? cell.padStart(widths[i]) : cell.padEnd(widths[i])))
      .join('  ')
      .trimEnd();
  if (last < 1 || right.includes(last)) return rows.map(line);
  return rows.flatMap((row) => {
    if (row.length <= last) return line(row);
    const [first, ...more] = wrapped(row[last], room);
    return [line([...row.slice(0, last), first]), ...more.map((text) => ' '.repeat(before) + text)];
  });
}

/**
 * Wraps a text into lines of at most `room` characters, with its indentation. Only a longer word
 * exceeds that. Breaks at double spaces first.
 */
export function wrapped(text: string, room: number): string[] {
  if (text.length <= room) return [text];
  const indent = /^ */.exec(text)?.[0] ?? '';
  const body = text.slice(indent.length);
  const gap = body.includes('  ') ? '  ' : ' ';
  const lines: string[] = [];
  for (const piece of body.split(gap)) {
    const longer = lines.length > 0 ? `${lines.at(-1)}${gap}${piece}` : undefined;
    if (longer !== undefined && longer.length <= room) lines[lines.length - 1] = longer;
    else lines.push(indent + piece);
  }
  return gap === ' ' ? lines : lines.flatMap((line) => wrapped(line, room));
}

/** Formats a whole number: `12,345`. `toLocaleString` would take 20 ms at its first call. */
export const grouped = (value: number) => String(value).replaceAll(/\B(?=(\d{3})+$)/g, ',');

/** Formats a size: `1.2 MB`; 1 MB is 10⁶ bytes. */
export function bytesText(bytes: number): string {
  if (bytes < 1000) return `${bytes} bytes`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  const power = Math.min(units.length, Math.floor(Math.log10(bytes) / 3));
  return `${(bytes / 1000 ** power).toFixed(1)} ${units[power - 1]}`;
}

/** Formats a share: `4.2 %`. */
export const percentText = (share: number) => `${percentDigits(share, share < 0.01 ? 2 : 1)} %`;

/** Formats a duration: `0.4 s`, `12 s`, `3 min 5 s`, `2 h 4 min`. */
export function secondsText(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** Formats a metric with four decimals. */
export const metricText = (value: number) => value.toFixed(4);
