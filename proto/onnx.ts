import { create } from '@bufbuild/protobuf';
import type { OnnxModel } from '../delta/onnx-folder';
import { invalidValue, shown } from '../foundation/errors';
import { ONNX_DTYPES, type OnnxDtype } from '../model/onnx-dtype';
import { type OnnxModel as OnnxMessage, OnnxModelSchema } from './gen/hifi/v1/trainer_pb';
import { present } from './matrix';

export const onnxMessage = ({ dtype, file, bytes, largestDifference, dev }: OnnxModel): OnnxMessage =>
  create(OnnxModelSchema, { dtype, file, sizeBytes: BigInt(bytes), largestDifference, dev: { ...dev } });

/**
 * Converts an ONNX file's message. @throws HifiError INVALID_INPUT for a missing part or an unknown
 * type
 */
export const onnxOf = ({ dtype, file, sizeBytes, largestDifference, dev }: OnnxMessage): OnnxModel => ({
  dtype: onnxDtypesOf([dtype], 'onnx.dtype')[0],
  file,
  bytes: Number(sizeBytes),
  largestDifference: present(largestDifference, 'onnx.largest_difference'),
  ...(Object.keys(dev).length > 0 && { dev: { ...dev } }),
});

/**
 * Checks the number types of an ONNX export; fp32 if none is named.
 *
 * @throws HifiError INVALID_INPUT with the field's name
 */
export function onnxDtypesOf(dtypes: readonly string[], field: string): OnnxDtype[] {
  if (dtypes.length === 0) return ['fp32'];
  return dtypes.map((dtype, i) => {
    const known = ONNX_DTYPES.find((each) => each === dtype);
    if (known) return known;
    const expected = `one of ${ONNX_DTYPES.join(', ')}`;
    throw invalidValue({ field: `${field}[${i}]`, value: shown(dtype), expected });
  });
}
