/**
 * Number types of an ONNX file, named as in transformers.js, the most exact first: float32,
 * float16, 8-bit integers.
 */
export const ONNX_DTYPES = ['fp32', 'fp16', 'q8'] as const;
/** Number type of {@link ONNX_DTYPES}. */
export type OnnxDtype = (typeof ONNX_DTYPES)[number];
