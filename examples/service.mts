/*
 * HTTP service: POST { "texts": […] } returns each head's PageRank. One process serves all requests
 * and caches the model. A client that disconnects ends its analysis; bad input gives status 400.
 *
 *   service.mts [model] [port]
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Analyzer, type ErrorCode, HifiError } from 'hifi-heads';

const [model = 'all-MiniLM-L6-v2', port = '0'] = process.argv.slice(2);
const analyzer = new Analyzer({ nice: 10, idleMs: 600_000 });
const STATUS: Record<ErrorCode, number> = {
  INVALID_INPUT: 400,
  NOT_FOUND: 404,
  CANCELLED: 499,
  FAILED: 500,
  UNSUPPORTED: 501,
  DIVERGED: 500,
  ENGINE_LOST: 503, // not a fault of the request: the client may retry
  DISK_FULL: 507,
};

const server = createServer(async (request, response) => {
  try {
    answer(response, 200, await scores(request, response));
  } catch (thrown) {
    const error = HifiError.from(thrown);
    answer(response, STATUS[error.code], { code: error.code, field: error.field, message: error.message });
  }
});
server.listen(Number(port), '127.0.0.1', () => console.log(`port ${(server.address() as AddressInfo).port}`));

for (const name of ['SIGINT', 'SIGTERM']) {
  process.once(name, async () => {
    server.close();
    await analyzer.close();
  });
}

async function scores(request: IncomingMessage, response: ServerResponse) {
  const leaving = new AbortController();
  response.once('close', () => leaving.abort());
  const { texts } = await body(request);
  const options = { samples: 64, threads: 1 };
  const { pagerank, samples } = await analyzer.analyze({ model, data: { texts }, options }, { signal: leaving.signal });
  return { samples, pagerank };
}

async function body(request: IncomingMessage) {
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) text += chunk;
  try {
    return Object(JSON.parse(text));
  } catch {
    throw new HifiError('INVALID_INPUT', 'the body is not JSON; it must be { "texts": […] }');
  }
}

function answer(response: ServerResponse, status: number, content: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(content)}\n`);
}
