/** Number formats that a checkpoint's weights can have. */
export type FloatDtype = 'F32' | 'F16' | 'BF16';

/** The same formats as Hugging Face's config.json names them. */
export const DTYPE_NAMES: Record<FloatDtype, string> = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' };

/**
 * Numbers in a checkpoint's format, little-endian, rounded to nearest, ties to even. What is too large becomes infinite; what
 * was widened from that format, NaN and all, comes back bit for bit.
 * A view of `values` for F32, a copy for the others.
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
 * Index of the first number that {@link roundTo} made infinite (in F16, one above 65504), or −1.
 */
export function firstTooLarge(dtype: Exclude<FloatDtype, 'F32'>, rounded: Uint8Array): number {
  const halves = new Uint16Array(rounded.buffer, rounded.byteOffset, rounded.length / 2);
  const infinity = dtype === 'F16' ? 0x7c00 : 0x7f80;
  return halves.findIndex((half) => (half & infinity) === infinity);
}

/** IEEE binary16 of a binary32, both as bits. */
function halfBits(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7c00 | (magnitude & 0x7fe000 ? (magnitude & 0x7fe000) >>> 13 : 0x200); // NaN
  if (magnitude >= 0x47800000) return sign | 0x7c00; // 2¹⁶ and more
  if (magnitude >= 0x38800000) {
    // Normal in both: rebias the exponent from 127 to 15, drop 13 bits; a carry walks into the exponent, up to infinity.
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

/** bfloat16 of a binary32, both as bits: the upper half. */
function brainBits(bits: number): number {
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | (bits & 0x7f0000 ? 0 : 0x40); // NaN stays one
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}
