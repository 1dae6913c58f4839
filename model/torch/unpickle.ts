/*
 * Restricted reader of Python's pickle format (PEP 307, PEP 3154), for files of torch.save. A
 * pickle is a program that may call any function of Python. This reader knows dictionaries, lists,
 * tuples, texts, numbers, and the few functions that its caller names. It refuses everything else
 * by name and runs nothing.
 */

/** Functions and storages that a pickle may name. */
export interface PickleRules {
  /**
   * Resolves `module.name`; returns a function if the pickle may call it, and undefined if it may
   * not.
   */
  global(module: string, name: string): unknown;
  /** Resolves a persistent id. */
  persistent(id: unknown): unknown;
}

/**
 * Error of a pickle that is damaged or unsupported; `message` continues a sentence that begins with
 * the file.
 */
export class PickleError extends Error {}

/** Mark on the stack. */
const MARK = Symbol('mark');
/** Maximum number of arguments of a call; torch's own have six. */
const MOST_ARGUMENTS = 16;
/** Maximum size of an integer in bytes. */
const INTEGER_BYTES = 8;

/**
 * Reads one pickle. Dictionaries become maps; lists and tuples become arrays.
 * @param at the pickle's first byte
 * @returns the value, and the byte after the pickle
 * @throws PickleError for a damaged pickle, or an unsupported opcode or global; any error of the
 *   rules
 */
export function unpickle(bytes: Buffer, at: number, rules: PickleRules): { value: unknown; end: number } {
  return new Unpickler(bytes, at, rules).run();
}

class Unpickler {
  private readonly stack: unknown[] = [];
  private readonly memo = new Map<number, unknown>();

  constructor(
    private readonly bytes: Buffer,
    private at: number,
    private readonly rules: PickleRules,
  ) {}

  run(): { value: unknown; end: number } {
    for (;;) {
      const [opcode] = this.take(1);
      if (opcode === STOP) return { value: this.pop(), end: this.at };
      this.step(opcode);
    }
  }

  private step(opcode: number): void {
    const { bytes, stack } = this;
    switch (opcode) {
      case 0x80: // PROTO
        this.protocol(this.take(1).readUInt8());
        return;
      case 0x95: // FRAME
        this.take(8);
        return;
      case 0x28: // MARK
        stack.push(MARK);
        return;
      case 0x30: // POP
        this.pop();
        return;
      case 0x4e: // NONE
        stack.push(null);
        return;
      case 0x88: // NEWTRUE
      case 0x89: // NEWFALSE
        stack.push(opcode === 0x88);
        return;
      case 0x4a: // BININT
        stack.push(this.take(4).readInt32LE());
        return;
      case 0x4b: // BININT1
        stack.push(this.take(1).readUInt8());
        return;
      case 0x4d: // BININT2
        stack.push(this.take(2).readUInt16LE());
        return;
      case 0x8a: // LONG1
        stack.push(integer(this.take(this.take(1).readUInt8())));
        return;
      case 0x47: // BINFLOAT
        stack.push(this.take(8).readDoubleBE());
        return;
      case 0x8c: // SHORT_BINUNICODE
      case 0x55: // SHORT_BINSTRING
        stack.push(this.take(this.take(1).readUInt8()).toString('utf8'));
        return;
      case 0x58: // BINUNICODE
      case 0x54: // BINSTRING
        stack.push(this.take(this.take(4).readUInt32LE()).toString('utf8'));
        return;
      case 0x7d: // EMPTY_DICT
        stack.push(new Map());
        return;
      case 0x5d: // EMPTY_LIST
      case 0x29: // EMPTY_TUPLE
        stack.push([]);
        return;
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: // TUPLE3
        stack.push(this.popMany(opcode - 0x84));
        return;
      case 0x74: // TUPLE
        stack.push(this.popToMark());
        return;
      case 0x61: // APPEND
        this.append([this.pop()]);
        return;
      case 0x65: // APPENDS
        this.append(this.popToMark());
        return;
      case 0x73: // SETITEM
        this.setItems(this.popMany(2));
        return;
      case 0x75: // SETITEMS
        this.setItems(this.popToMark());
        return;
      case 0x71: // BINPUT
        this.memo.set(this.take(1).readUInt8(), this.top());
        return;
      case 0x72: // LONG_BINPUT
        this.memo.set(this.take(4).readUInt32LE(), this.top());
        return;
      case 0x94: // MEMOIZE
        this.memo.set(this.memo.size, this.top());
        return;
      case 0x68: // BINGET
        this.recall(this.take(1).readUInt8());
        return;
      case 0x6a: // LONG_BINGET
        this.recall(this.take(4).readUInt32LE());
        return;
      case 0x63: // GLOBAL
        this.global(this.line(), this.line());
        return;
      case 0x93: {
        // STACK_GLOBAL
        const [module, name] = this.popMany(2);
        if (typeof module !== 'string' || typeof name !== 'string') throw damaged();
        this.global(module, name);
        return;
      }
      case 0x51: // BINPERSID
        stack.push(this.rules.persistent(this.pop()));
        return;
      case 0x52: // REDUCE
      case 0x81: {
        // NEWOBJ
        const [callee, given] = this.popMany(2);
        if (typeof callee !== 'function' || !Array.isArray(given) || given.length > MOST_ARGUMENTS) throw damaged();
        stack.push(callee(...given));
        return;
      }
      case 0x62: // BUILD: attributes of an OrderedDict, such as the versions of modules
        this.pop();
        if (!(this.top() instanceof Map)) throw new PickleError('its pickle sets attributes of an object');
        return;
    }
    const shown = `0x${opcode.toString(16).padStart(2, '0')}`;
    throw new PickleError(`its pickle has the opcode ${shown} at byte ${this.at - 1}, of ${bytes.length}`);
  }

  private protocol(version: number): void {
    if (version < 2 || version > 5) throw new PickleError(`its pickle has protocol ${version}; 2 to 5 are read`);
  }

  private global(module: string, name: string): void {
    const found = this.rules.global(module, name);
    if (found === undefined) throw new PickleError(`its pickle names ${shownGlobal(module, name)}`);
    this.stack.push(found);
  }

  private append(values: unknown[]): void {
    const list = this.top();
    if (!Array.isArray(list)) throw damaged();
    for (const value of values) list.push(value);
  }

  private setItems(pairs: unknown[]): void {
    const map = this.top();
    if (!(map instanceof Map) || pairs.length % 2 !== 0) throw damaged();
    for (let i = 0; i < pairs.length; i += 2) map.set(pairs[i], pairs[i + 1]);
  }

  private recall(key: number): void {
    if (!this.memo.has(key)) throw damaged();
    this.stack.push(this.memo.get(key));
  }

  private pop(): unknown {
    if (this.stack.length === 0) throw damaged();
    const value = this.stack.pop();
    if (value === MARK) throw damaged();
    return value;
  }

  private popMany(count: number): unknown[] {
    return Array.from({ length: count }, () => this.pop()).reverse();
  }

  private popToMark(): unknown[] {
    const mark = this.stack.lastIndexOf(MARK);
    if (mark < 0) throw damaged();
    return this.stack.splice(mark).slice(1);
  }

  private top(): unknown {
    const value = this.stack.at(-1);
    if (this.stack.length === 0 || value === MARK) throw damaged();
    return value;
  }

  private take(count: number): Buffer {
    if (this.at + count > this.bytes.length) throw endsEarly();
    this.at += count;
    return this.bytes.subarray(this.at - count, this.at);
  }

  private line(): string {
    const end = this.bytes.indexOf(0x0a, this.at);
    if (end < 0) throw endsEarly();
    const text = this.bytes.toString('utf8', this.at, end);
    this.at = end + 1;
    return text;
  }
}

const STOP = 0x2e;

const damaged = () => new PickleError('its pickle is damaged');
const endsEarly = () => new PickleError('its pickle ends too early; it is truncated');

/** Formats `os.system` for a message. */
function shownGlobal(module: string, name: string): string {
  const text = `${module}.${name}`.replace(/[^\w.<>]/g, '?');
  return text.length > 80 ? `${text.slice(0, 79)}…` : text;
}

/** Decodes a little-endian two's complement integer. */
function integer(bytes: Buffer): number {
  if (bytes.length > INTEGER_BYTES) throw new PickleError(`its pickle has an integer of ${bytes.length} bytes`);
  const value = bytes.length === 0 ? 0n : BigInt.asIntN(bytes.length * 8, BigInt(`0x${hexOf(bytes)}`));
  const number = Number(value);
  // Storage keys and sizes are far below 2^53, and a legacy file's magic number is compared by its
  // bytes.
  if (!Number.isSafeInteger(number)) throw new PickleError(`its pickle has the integer ${value}, beyond 2^53`);
  return number;
}

const hexOf = (bytes: Buffer) => Buffer.from(bytes).reverse().toString('hex');
