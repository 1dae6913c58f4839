import { create } from '@bufbuild/protobuf';
import { badField } from '../infra/grpc/status';
import { ONNX_DTYPES, type OnnxDtype } from '../model/onnx-dtype';
import { type OnnxModel as OnnxMessage, OnnxModelSchema } from '../proto/gen/hifi/v1/trainer_pb';
import type { OnnxModel } from '../results/onnx-folder';
import { present } from './matrix';

export const onnxMessage = ({ dtype, file, bytes, largestDifference, dev }: OnnxModel): OnnxMessage =>
  create(OnnxModelSchema, { dtype, file, sizeBytes: BigInt(bytes), largestDifference, dev: { ...dev } });

/** @throws HifiError INVALID_INPUT where a part is missing or a type is none of ours */
export const onnxOf = ({ dtype, file, sizeBytes, largestDifference, dev }: OnnxMessage): OnnxModel => ({
  dtype: onnxDtypesOf([dtype], 'onnx.dtype')[0],
  file,
  bytes: Number(sizeBytes),
  largestDifference: present(largestDifference, 'onnx.largest_difference'),
  ...(Object.keys(dev).length > 0 && { dev: { ...dev } }),
});

/**
 * Types of an ONNX export; fp32 alone where none is named.
 *
 * @throws RpcError INVALID_ARGUMENT naming the field
 */
export function onnxDtypesOf(dtypes: readonly string[], field: string): OnnxDtype[] {
  if (dtypes.length === 0) return ['fp32'];
  return dtypes.map((dtype, i) => {
    const known = ONNX_DTYPES.find((each) => each === dtype);
    if (known) return known;
    throw badField(`${field}[${i}]`, `is ${JSON.stringify(dtype)}; it must be one of ${ONNX_DTYPES.join(', ')}`);
  });
}
