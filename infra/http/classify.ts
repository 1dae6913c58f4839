import {
  type ClassifyRequestSchema,
  type ClassifyResponseSchema,
  InferenceService,
} from '../../proto/gen/hifi/v1/inference_pb';
import type { Guard } from '../grpc/credentials';
import type { CallInterceptor, Implementation } from '../grpc/handlers';
import { JsonMethod } from './json-method';

/** `POST /v1/classify`. */
export type ClassifyOverHttp = JsonMethod<typeof ClassifyRequestSchema, typeof ClassifyResponseSchema>;

export const classifyOverHttp = (
  handle: Implementation<typeof InferenceService>['classify'],
  interceptor: CallInterceptor,
  { tokens }: Guard,
): ClassifyOverHttp =>
  new JsonMethod({ path: '/v1/classify', method: InferenceService.method.classify, handle, interceptor, tokens });
