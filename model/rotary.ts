/**
 * Frequencies of rotary positions (Su et al. 2021, section 3.2.2), in radians per token:
 * θ^(−2i/dh) for i = 0 … dh/2 − 1, in float32 as transformers has them. // [dh/2]
 *
 * @param headDim dh, even
 * @param theta base of the frequencies, above 1
 */
export const rotaryFrequencies = (headDim: number, theta: number): number[] =>
  Array.from({ length: headDim / 2 }, (_, i) => Math.fround(1 / Math.fround(theta ** ((2 * i) / headDim))));
