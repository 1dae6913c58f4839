/**
 * Exact value of each half-precision number (sign 1, exponent 5, fraction 10 bits), as
 * single-precision bits.
 */
export function widenF16(halves: Uint16Array): Float32Array {
  f16Bits ??= Uint32Array.from({ length: 0x10000 }, (_, bits) => f16ToF32Bits(bits));
  const table = f16Bits;
  const wide = new Uint32Array(halves.length);
  for (let i = 0; i < halves.length; i++) wide[i] = table[halves[i]];
  return new Float32Array(wide.buffer);
}

let f16Bits: Uint32Array | undefined;

function f16ToF32Bits(bits: number): number {
  const sign = (bits & 0x8000) << 16;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return (sign | 0x7f800000 | (fraction << 13)) >>> 0;
  if (exponent !== 0) return (sign | ((exponent + 112) << 23) | (fraction << 13)) >>> 0;
  if (fraction === 0) return sign >>> 0;
  // A subnormal, fraction · 2^-24: its leading bit becomes the implicit one.
  const shift = Math.clz32(fraction) - 21;
  return (sign | ((113 - shift) << 23) | (((fraction << shift) & 0x3ff) << 13)) >>> 0;
}

/** Exact value of each bfloat16 number, which is the upper half of a single-precision number. */
export function widenBF16(halves: Uint16Array): Float32Array {
  const wide = new Uint32Array(halves.length);
  for (let i = 0; i < halves.length; i++) wide[i] = halves[i] << 16;
  return new Float32Array(wide.buffer);
}
