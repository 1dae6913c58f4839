import { notFound, rpcErrorOf } from '../../proto/status';
import type { Parts } from '../parts';
import { GRACE_MS } from '../service/service-server';
import type { ServePart } from '../service/settings';
import type { ClassifyOverHttp } from './classify';
import { HttpServer, pathOf } from './http-server';
import { sendError } from './json-method';

/**
 * Serves `POST /v1/classify` alone, with the host and the guard of a service.
 *
 * @returns the port
 * @throws HifiError FAILED if the port is in use
 */
export function serveClassify(
  { host, guard }: ServePart,
  port: number,
  classify: ClassifyOverHttp,
  parts: Parts,
): Promise<number> {
  const server = new HttpServer(
    guard,
    async (request, response) => {
      if (pathOf(request) === classify.path) return classify.answer(request, response);
      sendError(response, notFound(`there is nothing here; POST ${classify.path} classifies texts`));
    },
    (response, thrown) => sendError(response, rpcErrorOf(thrown)),
  );
  parts.add(() => server.stop());
  parts.add(() => classify.drain(GRACE_MS));
  return server.start(host, port);
}
