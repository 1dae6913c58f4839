/** Number types of an ONNX file by the names of transformers.js, the most exact first: float32, float16, 8-bit integers. */
export const ONNX_DTYPES = ['fp32', 'fp16', 'q8'] as const;
/** One of {@link ONNX_DTYPES}. */
export type OnnxDtype = (typeof ONNX_DTYPES)[number];
