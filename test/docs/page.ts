import * as fs from 'node:fs';

/** Code block of a page, fenced by three backticks. */
export interface Block {
  /** Text after the first fence: `sh`, `sh serve`, `text`, … */
  kind: string;
  body: string;
  /** Number of its first line in the page, from 1. */
  line: number;
}

export function blocksOf(file: string): Block[] {
  const blocks: Block[] = [];
  let open: Block | undefined;
  for (const [i, line] of fs.readFileSync(file, 'utf8').split('\n').entries()) {
    if (!line.startsWith('```')) {
      if (open) open.body += `${line}\n`;
    } else if (open) {
      blocks.push(open);
      open = undefined;
    } else {
      open = { kind: line.slice(3), body: '', line: i + 2 };
    }
  }
  if (open) throw new Error(`${file}:${open.line}: the block does not end`);
  return blocks;
}

const END = '@@ end of block';

/**
 * Joins blocks to one bash script, so that variables and functions stay from block to block. The
 * script ends with the first block whose last command fails.
 */
export const scriptOf = (blocks: readonly Block[]) =>
  blocks.map(({ body }) => `${body.trimEnd()}\nstatus=$?; echo '${END}'; [ $status = 0 ] || exit $status\n`).join('');

/** Outputs of the script's blocks, without that of a failed one. */
export const outputsIn = (printed: string) => printed.split(`${END}\n`).slice(0, -1);

/** Replaces what differs from run to run: ids, hashes, times, measured numbers. */
const steady = (text: string) =>
  text
    .replace(/\b\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME')
    .replace(/\b[0-9a-f]{64}\b/g, 'SHA-256')
    .replace(/\b[0-9a-f]{32}\b/g, 'TRACE')
    .replace(/\b0[0-9a-z]{8}[0-9a-f]{14}\b/g, 'JOB')
    .replace(/\b127\.0\.0\.1:\d+/g, 'ADDRESS')
    .replace(/(?:\b\d+ (?:h|min) )*\b\d+(?:\.\d+)? (?:h|min|s)\b/g, '# s')
    .replace(/\b\d+(?:\.\d+)? [kMG]B\b/g, '# B')
    .replace(/("(?:epoch|value|\w+Bytes)":) ?"?[\d.]+"?/g, '$1 #')
    .replace(/-?\b\d+\.\d+(e-?\d+)?/g, '#')
    .replace(/[ \t]+/g, ' ');

/** True if a page shows the output; a line `…` of the page stands for any number of lines. */
export function shows(page: string, printed: string): boolean {
  const lines = steady(page).trimEnd().split('\n');
  const pattern = lines.map((line) => (line.trim() === '…' ? '(?:.*\n)*?' : `${escaped(line)} ?\n`)).join('');
  return new RegExp(`^${pattern}$`).test(`${steady(printed).trimEnd()}\n`);
}

const escaped = (text: string) => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
