import * as http2 from 'node:http2';
import { deflateSync, gzipSync } from 'node:zlib';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { status } from '@grpc/grpc-js';
import { GrpcServer } from '../../../infra/grpc/server';
import { BadRequestSchema, ErrorInfoSchema } from '../../../proto/gen/google/rpc/error_details_pb';
import { StatusSchema } from '../../../proto/gen/google/rpc/status_pb';
import { AnalyzerService, DescribeModelRequestSchema } from '../../../proto/gen/hifi/v1/analyzer_pb';
import { ArtifactService } from '../../../proto/gen/hifi/v1/artifact_pb';
import { type Seen, trial } from './service';

/*
 * grpc-js 1.14 sends its own statuses without details, and reports a malformed message as INTERNAL.
 * It has no option for either.
 */
const unused = () => {
  throw new Error('it is not called');
};
const seen: Seen = { sent: 0, aborted: 0, ended: 0 };
let server: GrpcServer;
let session: http2.ClientHttp2Session;
beforeAll(async () => {
  server = new GrpcServer({ host: '127.0.0.1', port: 0 });
  server.add(AnalyzerService, trial(seen));
  server.add(ArtifactService, {
    async uploadArtifact(chunks) {
      for await (const _ of chunks) seen.sent++;
      return {};
    },
    getUpload: unused,
    downloadArtifact: unused,
    listArtifacts: unused,
  });
  session = http2.connect(`http://127.0.0.1:${await server.start()}`);
});
afterAll(async () => {
  session.close();
  await server.drain(0);
});

/** Sends a message unchanged. @returns the response's code, and the fields of its details */
async function answer(method: string, body: Buffer, headers: Record<string, string> = {}) {
  const frame = Buffer.alloc(5);
  frame.writeUInt8('grpc-encoding' in headers ? 1 : 0, 0);
  frame.writeUInt32BE(body.length, 1);
  const path = `/${method}`;
  const fixed = { ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' };
  const stream = session.request({ ...fixed, ...headers });
  let received: Record<string, unknown> = {};
  for (const event of ['response', 'trailers']) stream.on(event, (more) => Object.assign(received, more));
  stream.resume();
  stream.end(Buffer.concat([frame, body]));
  await new Promise((closed) => stream.once('close', closed));
  received = { ...received };
  const details = fromBinary(
    StatusSchema,
    Buffer.from(String(received['grpc-status-details-bin'] ?? ''), 'base64'),
  ).details;
  const unpacked = details.map((each) => anyUnpack(each, ErrorInfoSchema) ?? anyUnpack(each, BadRequestSchema));
  const info = unpacked.find((each) => each?.$typeName === 'google.rpc.ErrorInfo');
  const bad = unpacked.find((each) => each?.$typeName === 'google.rpc.BadRequest');
  return {
    code: status[Number(received['grpc-status'])],
    message: decodeURIComponent(String(received['grpc-message'] ?? '')),
    reason: info?.reason,
    domain: info?.domain,
    violations: bad?.fieldViolations.map(({ description }) => description),
  };
}

const DESCRIBE = 'hifi.v1.AnalyzerService/DescribeModel';
const model = Buffer.from(
  toBinary(DescribeModelRequestSchema, { $typeName: 'hifi.v1.DescribeModelRequest', model: 'm' }),
);

test.each<[what: string, method: string, body: Buffer]>([
  ['truncated', DESCRIBE, Buffer.from([0x0a, 0x7f, 0x41])],
  ['of an unknown kind', DESCRIBE, Buffer.from([0x0f])],
  ['of a stream', 'hifi.v1.AnalyzerService/Analyze', Buffer.from([0xff, 0xff])],
  ['of an upload', 'hifi.v1.ArtifactService/UploadArtifact', Buffer.from([0x0a, 0x7f, 0x41])],
])('a message that is malformed, %s, is INVALID_ARGUMENT with details', async (_, method, body) => {
  const message = `the request is no message of ${method} in protobuf's binary form`;
  const domain = 'hifi';
  const expected = { code: 'INVALID_ARGUMENT', reason: 'INVALID_INPUT', domain, message, violations: [message] };
  expect(await answer(method, body)).toEqual(expected);
});

test.each(['gzip', 'deflate'])('a message compressed by %s is read', async (encoding) => {
  const packed = encoding === 'gzip' ? gzipSync(model) : deflateSync(model);
  expect(await answer(DESCRIBE, packed, { 'grpc-encoding': encoding })).toMatchObject({ code: 'OK' });
});

test('a message with a wrong or unknown encoding is refused with details', async () => {
  expect(await answer(DESCRIBE, model, { 'grpc-encoding': 'gzip' })).toMatchObject({
    code: 'INVALID_ARGUMENT',
    reason: 'INVALID_INPUT',
    message: 'the request cannot be inflated: it must be compressed by gzip',
  });
  expect(await answer(DESCRIBE, model, { 'grpc-encoding': 'snappy' })).toMatchObject({
    code: 'UNIMPLEMENTED',
    reason: 'UNKNOWN_ENCODING',
    message: expect.stringContaining('identity, gzip, deflate'),
  });
});

test('a message that inflates to a hundred times its size is refused before parsing', async () => {
  // Unknown fields, two bytes each: parsing 32 MB of them takes seconds in which no call is
  // answered.
  const bomb = gzipSync(Buffer.alloc(32 << 20, Buffer.from([0x78, 0])), { level: 9 });
  expect(bomb.length).toBeLessThan(64 << 10);
  expect(await answer(DESCRIBE, bomb, { 'grpc-encoding': 'gzip' })).toMatchObject({
    code: 'RESOURCE_EXHAUSTED',
    reason: 'MESSAGE_TOO_LARGE',
    message: expect.stringMatching(/^the message of \d+ bytes inflates to more than \d+; send it in smaller parts/),
  });
});

test('a deadline error, which grpc-js itself sends, has details too', async () => {
  const late = await answer('hifi.v1.AnalyzerService/Analyze', Buffer.from([0x0a, 4, ...Buffer.from('wait')]), {
    'grpc-timeout': '50m',
  });
  expect(late).toMatchObject({ code: 'DEADLINE_EXCEEDED', reason: 'DEADLINE_EXCEEDED', domain: 'hifi' });
});
