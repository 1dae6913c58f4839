/** Bits of a float32's exponent, all of which only an infinity or a NaN has. */
const EXPONENT = 0x7f800000;
/** The exponent's lowest bit. Added to a full exponent it carries into the sign. */
const LOWEST = 0x00800000;

/** Index of the first NaN or infinity; -1 if there is none. */
export function firstNotFinite(values: Float32Array): number {
  const bits = new Int32Array(values.buffer, values.byteOffset, values.length);
  let any = 0;
  for (let i = 0; i < bits.length; i++) any |= ((bits[i] & EXPONENT) + LOWEST) | 0;
  return any < 0 ? values.findIndex((value) => !Number.isFinite(value)) : -1;
}
