import { didYouMean } from '../data/nearest';
import { invalidValue } from '../foundation/errors';
import { TUNE_RULE, TUNES, type Tune, tuneOf } from '../heads/tune';
import { bucketAddress } from '../infra/artifacts/bucket-address';
import { targetsOf } from '../infra/grpc/targets';

/** Kind of a flag's value, as far as it is known: one of some words, or a path. */
export type Takes = readonly string[] | 'file' | 'folder' | 'model';

/** Parses a flag's value. @throws HifiError INVALID_INPUT: flag, value and what would be right */
export interface FlagParser<T> {
  (text: string): T;
  readonly takes?: Takes;
  /** Values that are no paths, for a parser that takes one. */
  readonly words?: readonly string[];
  /** True if the value is a list with commas. */
  readonly several?: boolean;
  /** True if the flag may be repeated; its value is then a list. */
  readonly repeated?: boolean;
}

/** Parses a whole number in a range. */
export function wholeNumber(flag: string, least: number, most = Number.MAX_SAFE_INTEGER): FlagParser<number> {
  const right = most === Number.MAX_SAFE_INTEGER ? `from ${least}` : `from ${least} to ${most}`;
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return value;
    throw refused(flag, text, `a whole number ${right}`);
  };
}

/** Parses a whole number from `least`, or a word. */
export function wholeNumberOr<W extends string>(flag: string, least: number, word: W): FlagParser<number | W> {
  const parse = (text: string) => {
    if (text === word) return word;
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= Number.MAX_SAFE_INTEGER) return value;
    throw refused(flag, text, `a whole number from ${least}, or ${word}`);
  };
  return Object.assign(parse, { takes: [word] });
}

/** Parses a decimal number that `isValid`; `right` describes valid ones. */
export function decimal(flag: string, right: string, isValid: (value: number) => boolean): FlagParser<number> {
  return (text) => {
    const value = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : Number.NaN;
    if (Number.isFinite(value) && isValid(value)) return value;
    throw refused(flag, text, right);
  };
}

/** Parses a decimal number as {@link decimal} does, or a word. */
export function decimalOr<W extends string>(
  flag: string,
  right: string,
  isValid: (value: number) => boolean,
  word: W,
): FlagParser<number | W> {
  const parse = (text: string) => (text === word ? word : decimal(flag, `${right}, or ${word}`, isValid)(text));
  return Object.assign(parse, { takes: [word] });
}

/** Parses decimal numbers above 0 with commas, each once. */
export function decimals(flag: string): FlagParser<number[]> {
  const right = 'numbers above 0 with commas between, none twice';
  return (text) => {
    const values = text.split(',').map(decimal(flag, right, (value) => value > 0));
    if (new Set(values).size < values.length) throw refused(flag, text, right);
    return values;
  };
}

/** Parses a number of seeds, from 0 on, or a list of seeds, each once. */
export function seedList(flag: string): FlagParser<number[]> {
  const right = 'a whole number from 1, or seeds from 0 to 4294967295 with commas between, none twice';
  return (text) => {
    const values = text.split(',').map((part) => (/^\d+$/.test(part.trim()) ? Number(part) : Number.NaN));
    if (!text.includes(',')) {
      if (!(values[0] >= 1 && values[0] <= 10_000)) throw refused(flag, text, right);
      return Array.from({ length: values[0] }, (_, seed) => seed);
    }
    if (!values.every((value) => value < 2 ** 32) || new Set(values).size < values.length) {
      throw refused(flag, text, right);
    }
    return values;
  };
}

/** Parses one of some words. */
export function oneOf<T extends string>(flag: string, choices: readonly T[]): FlagParser<T> {
  const parse = (text: string) => {
    if ((choices as readonly string[]).includes(text)) return text as T;
    throw refused(flag, text, `${choices.join(', ')}${didYouMean(text, choices)}`);
  };
  return Object.assign(parse, { takes: choices });
}

/**
 * Accepts the path of a file or folder, or a model: a folder or a name. Whoever opens it checks it.
 */
export const aPath = (takes: 'file' | 'folder' | 'model'): FlagParser<string> =>
  Object.assign((text: string) => text, { takes });

/** Parses the place of a gateway's jobs: `lmdb`, or the addresses of NATS servers. */
export function aStore(flag: string): FlagParser<string> {
  const parse = (text: string) => {
    if (text === 'lmdb' || /^(nats|tls):\/\/[^/]/.test(text)) return text;
    throw refused(flag, text, `lmdb or nats://HOST:PORT, several with commas${didYouMean(text, ['lmdb'])}`);
  };
  return Object.assign(parse, { takes: ['lmdb'] });
}

/** Parses the targets of a service's processes, with commas. */
export function targets(flag: string): FlagParser<string[]> {
  return (text) => {
    const list = targetsOf(text);
    if (list) return list;
    throw refused(flag, text, 'HOST:PORT or dns:///NAME:PORT, several with commas between');
  };
}

/** Parses a place of artifacts: a folder, or a bucket of S3 with a prefix. */
export function anArtifactPlace(flag: string): FlagParser<string> {
  const parse = (text: string) => {
    if (!/^\w+:\/\//.test(text) || bucketAddress(text)) return text;
    throw refused(
      flag,
      text,
      'a folder, or s3://BUCKET/PREFIX with a bucket of 3 to 63 letters, digits, dots and hyphens',
    );
  };
  return Object.assign(parse, { takes: 'folder' as const });
}

/** Parses names with commas, none empty, each once, at most `most`. */
export function names(flag: string, most = Number.POSITIVE_INFINITY): FlagParser<string[]> {
  const parse = (text: string) => {
    const list = text.split(',').map((name) => name.trim());
    const right =
      most === 1 ? 'one name' : most === 2 ? 'one name, or two with a comma between' : 'names with commas between';
    if (list.length > most || list.includes('')) throw refused(flag, text, right);
    return distinct(flag, text, list);
  };
  return Object.assign(parse, { several: most > 1 });
}

/** Returns the names of a flag's text. @throws HifiError INVALID_INPUT if one is there twice */
export function distinct<T extends string>(flag: string, text: string, list: T[]): T[] {
  const twice = list.find((name, i) => list.indexOf(name) < i);
  if (twice === undefined) return list;
  throw refused(flag, text, `different names; ${JSON.stringify(twice)} is named twice`);
}

/**
 * Parses a header name as written, including commas.
 *
 * @param several true if names separated by commas are allowed too
 */
export function headerName(flag: string, several = false): FlagParser<string> {
  const parse = (text: string) => {
    if (text.trim() !== '') return text.trim();
    throw refused(flag, text, 'the name of a column');
  };
  return Object.assign(parse, { several });
}

/** Parses what is tuned, and puts its letters in order. */
export function aTune(flag: string): FlagParser<Tune> {
  const parse = (text: string) => {
    const tune = tuneOf(text);
    if (tune !== undefined) return tune;
    throw refused(flag, text, TUNE_RULE);
  };
  return Object.assign(parse, { takes: TUNES });
}

/** Parses words from a list of choices, with commas. */
export function someOf<T extends string>(flag: string, choices: readonly T[]): FlagParser<T[]> {
  const parse = (text: string) => names(flag, choices.length)(text).map((name) => oneOf(flag, choices)(name));
  return Object.assign(parse, { takes: choices, several: true });
}

/** Collects the paths of a repeatable flag. */
export const paths = (takes: 'file' | 'folder') =>
  Object.assign((text: string, before: readonly string[] = []): string[] => [...before, text], {
    takes,
    repeated: true,
  });

/** Error for a flag's value. */
export const refused = (flag: string, text: string, right: string) =>
  invalidValue({ field: flag.replace(/^--/, ''), value: JSON.stringify(text), expected: right }, flag);
