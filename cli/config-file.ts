import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import type { Command, Option } from 'commander';
import type { Document, LineCounter, Node } from 'yaml';
import { didYouMean, nearestSibling } from '../data/nearest';
import { HifiError, invalidInput, renamed } from '../foundation/errors';
import { isFolderPath } from '../model/resolve';
import { aPath, type FlagParser } from './flag-values';
import { add } from './flags';
import { STDIN } from './stdin';

/*
 * Configuration file in YAML. A line has a flag without its dashes, a colon, and the flag's value.
 * Values go through the parsers of the flags. A null value counts as absent.
 */

/** Setting of one flag in a file. */
export interface Setting {
  option: Option;
  /** Value, parsed by the flag's own parser. */
  value: unknown;
  /** Line in the file, from 1. */
  line: number;
}

/** Settings that exclude each other, by the flags' names in camel case. */
const EXCLUDED: Readonly<Record<string, readonly string[]>> = {
  budget: ['k'],
  k: ['budget'],
  task: ['textColumns', 'labelColumn', 'labelColumns', 'labelSeparator', 'problem', 'regression'],
  textColumns: ['task'],
  labelColumn: ['labelColumns'],
  labelColumns: ['labelColumn', 'labelSeparator'],
  labelSeparator: ['labelColumns'],
  problem: ['regression'],
  regression: ['problem'],
};

/**
 * Adds `--config`. A file may set the flags that the command has at this point; flags that are
 * added later are refused there with their own error.
 */
export function addConfigFlag(command: Command): void {
  const known = [...command.options];
  const what = 'file of settings, as hifi init writes it; flags on the command line take precedence';
  add(command, '--config <file>', what, aPath('file'));
  command.on('option:config', (file: string) => {
    for (const { option, value } of readConfig(file, known, command)) {
      const name = option.attributeName();
      if (command.getOptionValueSource(name) !== 'cli') command.setOptionValueWithSource(name, value, 'config');
    }
  });
  // `--budget` on the command line replaces the file's `k`.
  command.hook('preAction', () => {
    for (const [name, others] of Object.entries(EXCLUDED)) {
      if (command.getOptionValueSource(name) !== 'cli') continue;
      for (const other of others) {
        if (command.getOptionValueSource(other) === 'config') command.setOptionValue(other, undefined);
      }
    }
  });
}

/**
 * Reads a file of settings.
 *
 * @param known flags that it may set
 * @param command its other flags get an error of their own, unlike unknown ones
 * @throws HifiError INVALID_INPUT, one line: file, line number, the value and what would be right
 */
function readConfig(file: string, known: readonly Option[], command?: Command): Setting[] {
  const yaml = require('yaml') as typeof import('yaml');
  const text = readText(file);
  const lines: LineCounter = new yaml.LineCounter();
  const last = text.trimEnd().split('\n').length;
  const lineOf = (offset: number) => Math.min(last, lines.linePos(offset).line);
  const refused = (offset: number, what: string) => invalidInput(`${file}:${lineOf(offset)}: ${what}`);
  const document = yaml.parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false });
  const [wrong] = [...document.errors, ...document.warnings];
  if (wrong) throw refused(wrong.pos[0], `${wrong.message}; ${RIGHT}`);
  const { contents } = document;
  if (contents === null || (yaml.isScalar(contents) && contents.value === null)) return [];
  if (!yaml.isMap<Node, Node | null>(contents)) throw refused(contents.range?.[0] ?? 0, RIGHT);

  const settings: Setting[] = [];
  for (const { key, value: given } of contents.items) {
    const offset = key.range?.[0] ?? 0;
    const name = yaml.isScalar(key) ? String(key.value) : key.toString();
    const option = known.find(({ long }) => long === `--${name}`);
    if (!option) throw refused(offset, unknown(name, file, known, command));
    const line = lineOf(offset);
    const before = settings.find((each) => each.option === option);
    if (before) throw refused(offset, `${name} is set in line ${before.line} already; keep one of them`);
    const value = settingOf(option, given, document, (what) => refused(given?.range?.[0] ?? offset, what));
    if (value === undefined) continue;
    settings.push({
      option,
      line,
      value: isPath(option) ? pathsFrom(path.dirname(file), option, value) : value,
    });
  }
  checkTogether(settings, file);
  return settings;
}

const RIGHT = 'a line must be KEY: VALUE, such as epochs: 5';

function readText(file: string): string {
  let bytes: Buffer;
  try {
    bytes = fs.readFileSync(file);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw invalidInput(`--config ${file}: no such file${nearestSibling(file)}`);
    throw invalidInput(`--config ${file} cannot be read: ${code === 'EISDIR' ? 'it is a folder' : message}`, error);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw invalidInput(`--config ${file} is not UTF-8 text`, error);
  }
}

function unknown(name: string, file: string, known: readonly Option[], command?: Command): string {
  if (command?.options.some(({ long }) => long === `--${name}`)) {
    return `${name} can only be given on the command line: hifi run --config ${file} --${name}`;
  }
  const names = known.map(keyOf);
  return `there is no setting ${JSON.stringify(name)}${didYouMean(name, names) || `; there are ${names.join(', ')}`}`;
}

/** Returns a flag's name in a file: without its dashes. */
export const keyOf = (option: Option) => String(option.long).slice(2);

/** Parses a value with the flag's own parser; undefined for null. */
function settingOf(option: Option, given: Node | null, document: Document, refused: (what: string) => Error): unknown {
  const { isAlias, isScalar, isSeq } = require('yaml') as typeof import('yaml');
  const node = isAlias(given) ? given.resolve(document) : given;
  if (isAlias(given) && !node) throw refused(`there is no anchor ${given.source}`);
  if (!node || (isScalar(node) && node.value === null)) return undefined;
  const shown = JSON.stringify(node.toJS(document));
  if (option.isBoolean()) {
    if (isScalar(node) && typeof node.value === 'boolean') return node.value || undefined;
    throw refused(`${keyOf(option)} is ${shown}; it must be true or false`);
  }
  // Scalars are used as written: 1e3 is no whole number here, as on the command line.
  const written = (each: unknown) => {
    if (!isScalar(each) || typeof each.value === 'boolean') return undefined;
    return typeof each.value === 'string' ? each.value : each.source;
  };
  const parse = (option.parseArg ?? String) as FlagParser<unknown>;
  const list = (parse.several || parse.repeated) && isSeq(node);
  const parts = list ? node.items.map(written) : [written(node)];
  const plain = parts.every((part) => part !== undefined && (parse.repeated || !(isSeq(node) && part.includes(','))));
  let value: unknown;
  try {
    value = parse.repeated && plain ? parts : parse(plain ? parts.join(',') : shown);
  } catch (error) {
    throw refused(renamed(HifiError.from(error), keyOf(option)).message);
  }
  if (!plain)
    throw refused(`${keyOf(option)} is ${shown}; it must be text, in quotes if YAML would read it as something else`);
  return value;
}

const isPath = (option: Option) => typeof (option.parseArg as FlagParser<unknown> | undefined)?.takes === 'string';

const pathsFrom = (folder: string, option: Option, value: unknown) =>
  Array.isArray(value)
    ? value.map((each) => fromFolder(folder, option, each))
    : fromFolder(folder, option, String(value));

/**
 * Converts a path that is relative to the file's folder to one that is relative to the working
 * folder.
 */
function fromFolder(folder: string, option: Option, written: string): string {
  const { words } = option.parseArg as FlagParser<unknown>;
  if (written === STDIN || words?.includes(written) || path.isAbsolute(written)) return written;
  if (/^~(\/|$)/.test(written)) return path.join(os.homedir(), written.slice(1));
  if (folder === '.') return written;
  const there = path.join(folder, written);
  const isModel = (option.parseArg as FlagParser<unknown>).takes === 'model';
  if (!isModel || fs.existsSync(there)) return there;
  // A missing folder must not be looked up as a name, and a name must not be taken for a folder of
  // the working folder.
  if (isFolderPath(written)) return isFolderPath(there) ? there : `./${there}`;
  if (fs.existsSync(written))
    throw invalidInput(`model is "${written}", a folder of the working folder and not of the file's; write its path`);
  return written;
}

/** Checks settings for exclusive ones. @throws HifiError INVALID_INPUT if two exclude each other */
function checkTogether(settings: readonly Setting[], file: string): void {
  const named = new Map(settings.map((setting) => [setting.option.attributeName(), setting]));
  for (const [name, others] of Object.entries(EXCLUDED)) {
    for (const other of others) {
      const [one, two] = [named.get(name), named.get(other)];
      if (!one || !two) continue;
      const [first, second] = one.line < two.line ? [one, two] : [two, one];
      const both = `${keyOf(second.option)} excludes ${keyOf(first.option)} (line ${first.line})`;
      throw invalidInput(`${file}:${second.line}: ${both}; keep one of them`);
    }
  }
}
