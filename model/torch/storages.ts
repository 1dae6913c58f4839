import { PickleError, type PickleRules } from './unpickle';

/** Storages of torch by name: the type's name in safetensors, and bytes per number. */
const STORAGES: Readonly<Record<string, { dtype: string; bytes: number }>> = {
  FloatStorage: { dtype: 'F32', bytes: 4 },
  HalfStorage: { dtype: 'F16', bytes: 2 },
  BFloat16Storage: { dtype: 'BF16', bytes: 2 },
  DoubleStorage: { dtype: 'F64', bytes: 8 },
  LongStorage: { dtype: 'I64', bytes: 8 },
  IntStorage: { dtype: 'I32', bytes: 4 },
  ShortStorage: { dtype: 'I16', bytes: 2 },
  CharStorage: { dtype: 'I8', bytes: 1 },
  ByteStorage: { dtype: 'U8', bytes: 1 },
  BoolStorage: { dtype: 'BOOL', bytes: 1 },
};

/** Sequence of numbers of which tensors are views. */
export interface Storage {
  /** Name within the file. */
  readonly key: string;
  readonly dtype: string;
  /** Bytes per number. */
  readonly bytes: number;
  /** Count of its numbers. */
  readonly numbers: number;
}

/** View of a storage; offset, shape and strides count numbers. */
export class StorageView {
  constructor(
    readonly storage: Storage,
    readonly offset: number,
    readonly shape: readonly number[],
    readonly strides: readonly number[],
  ) {}
}

class StorageType {
  constructor(
    readonly dtype: string,
    readonly bytes: number,
  ) {}
}

/**
 * Globals and persistent ids of a state dict: dictionaries, tensors, parameters and storages of
 * numbers. `_rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks)` and its
 * variants are torch's own names.
 */
export const STATE_DICT: PickleRules = {
  global(module, name) {
    if (module === 'collections' && name === 'OrderedDict') return orderedDict;
    if (module === 'torch._utils') {
      if (name === '_rebuild_tensor_v2' || name === '_rebuild_tensor') return viewOf;
      if (name === '_rebuild_parameter') return (data: unknown) => data;
    }
    if (module === 'torch' && name === 'Size') return (sizes: unknown) => sizes;
    const storage = module === 'torch' && Object.hasOwn(STORAGES, name) ? STORAGES[name] : undefined;
    return storage && new StorageType(storage.dtype, storage.bytes);
  },

  persistent(id) {
    const [kind, type, key, , numbers, view] = Array.isArray(id) ? id : [];
    if (kind !== 'storage' || !(type instanceof StorageType) || typeof key !== 'string' || !isSize(numbers)) {
      throw new PickleError('its pickle refers to something that is no storage of numbers');
    }
    if (view !== undefined && view !== null)
      throw new PickleError('its pickle has views of storages, of torch before 0.4');
    const storage: Storage = { key, dtype: type.dtype, bytes: type.bytes, numbers };
    return storage;
  },
};

/** Creates an empty dictionary, or one from a list of pairs. */
function orderedDict(pairs: unknown = []): Map<unknown, unknown> {
  const isPair = (pair: unknown) => Array.isArray(pair) && pair.length === 2;
  if (!Array.isArray(pairs) || !pairs.every(isPair)) throw new PickleError('its pickle has a damaged dictionary');
  return new Map(pairs);
}

/** Most numbers of a view that repeats some of its storage's, such as an expanded buffer. */
const EXPANDED_MOST = 1 << 20;

/** Checks that a view is within its storage, and bounds what it repeats. */
function viewOf(storage: unknown, offset: unknown, shape: unknown, strides: unknown): StorageView {
  const refused = (why: string) => new PickleError(`its pickle has a tensor ${why}`);
  if (!isStorage(storage) || !isSize(offset) || !isSizes(shape) || !isSizes(strides)) throw refused('that is damaged');
  if (shape.length !== strides.length) throw refused(`of shape ${shown(shape)} with strides ${shown(strides)}`);
  const total = shape.reduce((product, axis) => product * axis, 1);
  const last = shape.reduce((sum, axis, i) => sum + (axis - 1) * strides[i], offset);
  if (total > 0 && !(total <= Math.max(storage.numbers, EXPANDED_MOST) && last < storage.numbers)) {
    throw refused(`of shape ${shown(shape)} and strides ${shown(strides)} in a storage of ${storage.numbers} numbers`);
  }
  return new StorageView(storage, offset, shape, strides);
}

const isSize = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

const isSizes = (value: unknown): value is number[] =>
  Array.isArray(value) && value.length <= 64 && value.every(isSize);

const isStorage = (value: unknown): value is Storage =>
  typeof value === 'object' && value !== null && 'numbers' in value && 'key' in value;

const shown = (sizes: readonly number[]) => `[${sizes.join(', ')}]`;
