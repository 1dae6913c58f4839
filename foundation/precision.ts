/**
 * Arithmetic of TensorFlow's matrix products. `bf16` rounds their factors to bfloat16 and sums in
 * float32, on the CPU and where its processor has it; everything else stays float32.
 */
export type Precision = 'float32' | 'bf16';

/** Precisions; the first is the default. */
export const PRECISIONS = ['float32', 'bf16'] as const satisfies readonly Precision[];
