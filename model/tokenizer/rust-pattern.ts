import { z } from 'zod';
import { classInBrackets, patternClass, WORD } from './pattern-classes';

/*
 * Translation of the patterns of tokenizer.json to JavaScript. Python's `tokenizers` compiles them
 * with Oniguruma, in Ruby's syntax. Constructs without a known equivalent are refused by name. The
 * translation compensates for these differences: `^` and `$` match at lines, `.` excludes only the
 * line feed, classes have an older Unicode version, and classes nest. `X*+` and `(?>X)` do not
 * backtrack. `(?i:…)` also matches ſ for s and the Kelvin sign for k.
 */

/** Pattern in tokenizer.json: a text or a regular expression. */
export const patternSettings = z.union([z.object({ String: z.string() }), z.object({ Regex: z.string() })], {
  error: 'pattern must be an object with String or Regex',
});

/**
 * Returns a global expression for a pattern.
 * @throws Error as {@link rustPattern}; for the empty text, which matches everywhere
 */
export function expressionOf(pattern: z.infer<typeof patternSettings>): RegExp {
  if ('Regex' in pattern) return rustPattern(pattern.Regex);
  if (pattern.String === '') throw new Error('a pattern is empty; it must have at least one character');
  return new RegExp(literalSource(pattern.String), 'gu');
}

/** Part of a pattern in JavaScript's syntax. */
interface Part {
  source: string;
  /** True if it can match the empty text. */
  empty: boolean;
}

/**
 * Translates a pattern.
 * @returns a global expression with the flag `v`, which matches the same texts in the same order
 * @throws Error, one line with the pattern and the construct that has no translation
 */
function rustPattern(pattern: string): RegExp {
  return new RegExp(new Translation(pattern).whole(), 'gv');
}

/** Expression that matches exactly this text. It escapes each character by its number. */
export const literalSource = (text: string) =>
  Array.from(text, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`).join('');

const LINE_START = String.raw`(?:(?<![^])|(?<=\n)(?=[^]))`;
const LINE_END = String.raw`(?=\n|(?![^]))`;
const BOUNDARY = `(?:(?<=${WORD})(?!${WORD})|(?<!${WORD})(?=${WORD}))`;
const ASSERTIONS: Readonly<Record<string, string>> = {
  A: '(?<![^])',
  z: '(?![^])',
  Z: String.raw`(?=\n?(?![^]))`,
  b: BOUNDARY,
  B: `(?!${BOUNDARY})`,
};
const CONTROLS: Readonly<Record<string, number>> = { t: 9, n: 10, v: 11, f: 12, r: 13, a: 7, e: 27 };
/** Letters that fold into each other with others, and pairs that fold into a ligature. */
const FOLDED: Readonly<Record<string, string>> = { s: 'ſ', k: '\u212a' };
const LIGATURES = ['ff', 'fi', 'fl', 'ss', 'st'];

class Translation {
  private at = 0;
  private atomic = 0;
  private folding = false;
  private behind = false;

  constructor(private readonly pattern: string) {}

  whole(): string {
    const { source, empty } = this.alternatives();
    if (this.at < this.pattern.length) throw this.refusal('")" without "("');
    if (empty) throw this.refusal('a match of the empty text');
    return source;
  }

  private refusal(construct: string): Error {
    return new Error(`the pattern ${JSON.stringify(this.pattern)} has ${construct}, which is not supported`);
  }

  private looking(text: string): boolean {
    return this.pattern.startsWith(text, this.at);
  }

  private take(text: string): boolean {
    if (!this.looking(text)) return false;
    this.at += text.length;
    return true;
  }

  /** Returns the next character; a pattern that ends here is incomplete. */
  private next(): string {
    const code = this.pattern.codePointAt(this.at);
    if (code === undefined) throw this.refusal('an end within a construct');
    const character = String.fromCodePoint(code);
    this.at += character.length;
    return character;
  }

  private match(expression: RegExp): RegExpExecArray | null {
    const found = expression.exec(this.pattern.slice(this.at));
    if (found) this.at += found[0].length;
    return found;
  }

  private alternatives(): Part {
    const parts = [this.sequence()];
    while (this.take('|')) parts.push(this.sequence());
    return { source: parts.map(({ source }) => source).join('|'), empty: parts.some(({ empty }) => empty) };
  }

  private sequence(): Part {
    let source = '';
    let empty = true;
    let before = '';
    while (this.at < this.pattern.length && !this.looking('|') && !this.looking(')')) {
      const start = this.at;
      const atom = this.atom();
      const written = this.pattern.slice(start, this.at).toLowerCase();
      if (this.folding && LIGATURES.includes(before + written)) throw this.refusal(`"${before + written}" in (?i:…)`);
      before = written;
      const part = this.quantified(atom);
      source += part.source;
      empty &&= part.empty;
    }
    return { source, empty };
  }

  private quantified({ source, empty }: Part): Part {
    const found = this.match(/^(?:[*+?]|\{(\d+)\}|\{(?=\d|,\d)(\d*),(\d*)\})/);
    if (!found) return { source, empty };
    const [written, exactly, least, most] = found;
    if (empty) throw this.refusal(`"${written}" after what can match the empty text`);
    const times = written[0] === '{' && exactly === undefined ? `{${least || 0},${most}}` : written;
    const never = times === '*' || times === '?' || /^\{0+[,}]/.test(times);
    const suffix = this.match(/^[+?]/)?.[0] ?? '';
    if (written[0] === '{' && (suffix === '+' || (suffix === '?' && exactly !== undefined))) {
      throw this.refusal(`"${written}${suffix}"`);
    }
    if (this.match(/^(?:[*+?]|\{\d*,?\d*\})/)) throw this.refusal('a quantifier after a quantifier');
    const repeated = `${source}${times}`;
    return { source: suffix === '+' ? this.atomicOf(repeated) : repeated + suffix, empty: never };
  }

  /** A look-ahead does not backtrack into its match; a back reference then consumes that text. */
  private atomicOf(source: string): string {
    if (this.behind) throw this.refusal('an atomic or possessive part in a look-behind');
    const name = `_${this.atomic++}`;
    return `(?:(?=(?<${name}>${source}))\\k<${name}>)`;
  }

  private atom(): Part {
    const character = this.next();
    const one = (source: string) => ({ source, empty: false });
    switch (character) {
      case '(':
        return this.group();
      case '[':
        return one(this.characterClass());
      case '.':
        return one(String.raw`[^\n]`);
      case '^':
        return { source: LINE_START, empty: true };
      case '$':
        return { source: LINE_END, empty: true };
      case '*':
      case '+':
      case '?':
        throw this.refusal(`"${character}" without anything before it`);
      case '\\':
        return this.escape();
      default:
        return one(this.literal(character));
    }
  }

  private literal(character: string): string {
    if (!this.folding || (character < '\x80' && !/[A-Za-z]/.test(character))) return literalSource(character);
    if (character > '\x7f') throw this.refusal(`"${character}" in (?i:…)`);
    const lower = character.toLowerCase();
    return `[${lower}${lower.toUpperCase()}${FOLDED[lower] ?? ''}]`;
  }

  private group(): Part {
    const [opening] = this.match(/^\?(?:[:>=!]|<[=!]|i:|#[^)]*(?=\))|<[A-Za-z_]\w*>)/) ?? this.plainGroup();
    if (opening.startsWith('?#')) {
      this.next();
      return { source: '', empty: true };
    }
    const { folding, behind } = this;
    if (opening === '?i:') this.folding = true;
    if (opening === '?<=' || opening === '?<!') this.behind = true;
    const { source, empty } = this.alternatives();
    if (!this.take(')')) throw this.refusal('"(" without ")"');
    this.folding = folding;
    this.behind = behind;
    if (/^\?<?[=!]$/.test(opening)) return { source: `(${opening}${source})`, empty: true };
    return { source: opening === '?>' ? this.atomicOf(source) : `(?:${source})`, empty };
  }

  private plainGroup(): string[] {
    if (!this.looking('?')) return [''];
    throw this.refusal(`"(${this.pattern.slice(this.at, this.at + 2)}"`);
  }

  private escape(): Part {
    const code = this.characterCode();
    if (code !== undefined) return { source: this.literal(code), empty: false };
    const named = this.classEscape();
    if (named !== undefined) return { source: named, empty: false };
    const letter = this.next();
    if (letter in ASSERTIONS) return { source: ASSERTIONS[letter], empty: true };
    throw this.refusal(`"\\${letter}"`);
  }

  /** Character of an escape. */
  private characterCode(): string | undefined {
    const found = this.match(
      /^(?:x\{([0-9A-Fa-f]{1,6})\}|x([0-7][0-9A-Fa-f])|u([0-9A-Fa-f]{4})|([tnvfrae])|([^\w\s]|[ _]))/u,
    );
    if (!found) return undefined;
    const [, braced, byte, unit, control, itself] = found;
    if (itself !== undefined) return itself;
    return String.fromCodePoint(
      control === undefined ? Number.parseInt(braced ?? byte ?? unit, 16) : CONTROLS[control],
    );
  }

  /** Class of an escape. */
  private classEscape(sourceOf = patternClass): string | undefined {
    const found = this.match(/^(?:[wWdDsShH]|[pP]\{\^?\w+\})/);
    if (!found) return undefined;
    const [written] = found;
    const source = sourceOf(written);
    if (source === undefined) throw this.refusal(`"\\${written}"`);
    if (this.folding && /^p\{\^?L[ult]\}/i.test(written)) throw this.refusal(`"\\${written}" in (?i:…)`);
    return source;
  }

  /**
   * Parses from after a `[` to its `]`: the union of its members, or the intersection of several
   * unions.
   */
  private characterClass(): string {
    const negated = this.take('^');
    const unions: string[] = [''];
    if (this.looking(']')) throw this.refusal('"[]"');
    while (!this.take(']')) {
      if (this.take('&&')) unions.push('');
      else unions[unions.length - 1] += this.member();
    }
    if (unions.includes('')) throw this.refusal('"&&" without anything beside it');
    return `[${negated ? '^' : ''}${unions.length === 1 ? unions[0] : unions.map((each) => `[${each}]`).join('&&')}]`;
  }

  private member(): string {
    const posix = this.match(/^\[:\^?\w+:\]/)?.[0];
    if (posix) {
      const source = patternClass(posix);
      if (source === undefined) throw this.refusal(`"${posix}"`);
      return source;
    }
    if (this.take('[')) return this.characterClass();
    const first = this.classCharacter();
    if (isClass(first)) return first;
    if (!this.looking('-') || this.pattern[this.at + 1] === ']') return this.inClass(first);
    this.at++;
    if (this.looking('[')) throw this.refusal('a range to a class');
    const last = this.classCharacter();
    if (isClass(last)) throw this.refusal('a range to a class');
    if (first.codePointAt(0)! > last.codePointAt(0)!) throw this.refusal(`the range ${first}-${last}`);
    if (this.folding) throw this.refusal('a range in (?i:…)');
    return `${literalSource(first)}-${literalSource(last)}`;
  }

  private inClass(character: string): string {
    return this.folding ? this.literal(character) : literalSource(character);
  }

  /** Parses a character, or an escaped class, in brackets. */
  private classCharacter(): string {
    const character = this.next();
    if (character !== '\\') return character;
    const found = this.characterCode() ?? this.classEscape(classInBrackets);
    if (found === undefined) throw this.refusal(`"\\${this.next()}" in a class`);
    return found;
  }
}

/** Returns true for the source of a class; a character has at most two code units. */
const isClass = (source: string) => source.length > 2;
