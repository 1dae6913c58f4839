/** Number format of a checkpoint's weights. */
export type FloatDtype = 'F32' | 'F16' | 'BF16';

/** Names of the formats in Hugging Face's config.json. */
export const DTYPE_NAMES: Record<FloatDtype, string> = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' };

/**
 * Rounds numbers to a checkpoint's format, little-endian: to nearest, ties to even. A number that
 * is too large becomes infinite. A number that was widened from that format, also a NaN, is
 * restored bit for bit.
 * @returns a view of `values` for F32, else a copy
 */
export function roundTo(dtype: FloatDtype, values: Float32Array): Uint8Array {
  if (dtype === 'F32') return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const round = dtype === 'F16' ? halfBits : brainBits;
  const halves = new Uint16Array(bits.length);
  for (let i = 0; i < bits.length; i++) halves[i] = round(bits[i]);
  return new Uint8Array(halves.buffer);
}

/**
 * Index of the first number that {@link roundTo} made infinite (in F16, one above 65504); −1 if
 * there is none.
 */
export function firstTooLarge(dtype: Exclude<FloatDtype, 'F32'>, rounded: Uint8Array): number {
  const halves = new Uint16Array(rounded.buffer, rounded.byteOffset, rounded.length / 2);
  const infinity = dtype === 'F16' ? 0x7c00 : 0x7f80;
  return halves.findIndex((half) => (half & infinity) === infinity);
}

/** IEEE binary16 bits of binary32 bits. */
function halfBits(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  // NaN
  if (magnitude > 0x7f800000) return sign | 0x7c00 | (magnitude & 0x7fe000 ? (magnitude & 0x7fe000) >>> 13 : 0x200);
  if (magnitude >= 0x47800000) return sign | 0x7c00; // 2¹⁶ and more
  if (magnitude >= 0x38800000) {
    // Normal in both: rebias the exponent from 127 to 15 and drop 13 bits. A carry moves into the
    // exponent, up to infinity.
    return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
  }
  if (magnitude < 0x33000000) return sign; // under 2⁻²⁵, half of the smallest subnormal
  const significand = (magnitude & 0x7fffff) | 0x800000;
  const shift = 126 - (magnitude >>> 23); // to units of 2⁻²⁴: 14 … 24
  const half = 2 ** (shift - 1);
  const whole = significand >>> shift;
  const rest = significand & (2 * half - 1);
  return sign | (whole + (rest > half || (rest === half && (whole & 1) === 1) ? 1 : 0));
}

/** bfloat16 bits of binary32 bits: the upper half. */
function brainBits(bits: number): number {
  // A NaN stays a NaN.
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | (bits & 0x7f0000 ? 0 : 0x40);
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}
