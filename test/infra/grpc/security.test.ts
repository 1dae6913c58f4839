import * as fs from 'node:fs';
import * as http2 from 'node:http2';
import * as path from 'node:path';
import { gzipSync } from 'node:zlib';
import { status } from '@grpc/grpc-js';
import { GrpcClient } from '../../../infra/grpc/client';
import { type Credentials, checkBind, type Guard, type GuardFiles, readGuard } from '../../../infra/grpc/credentials';
import { GrpcServer } from '../../../infra/grpc/server';
import { AnalyzerService } from '../../../proto/gen/hifi/v1/analyzer_pb';
import type { RpcError } from '../../../proto/status';
import { trial } from './service';

const pem = (name: string) => fs.readFileSync(path.join(__dirname, '../../fixtures/tls', name));
const server = { cert: pem('server.pem'), key: pem('server.key') };
const own = { cert: pem('client.pem'), key: pem('client.key') };
const foreign = { cert: pem('other-client.pem'), key: pem('other-client.key') };
const ca = pem('authority.pem');
const { describeModel } = AnalyzerService.method;

/** Returns the outcome of a client's call with some credentials to a server with some guard. */
async function called(guard: Guard, credentials: Credentials): Promise<string> {
  const grpc = new GrpcServer({ host: '127.0.0.1', port: 0, guard });
  grpc.add(AnalyzerService, trial({ sent: 0, aborted: 0, ended: 0 }));
  const client = new GrpcClient(`127.0.0.1:${await grpc.start()}`, credentials);
  try {
    await client.unary(describeModel, { model: 'm' }, { timeoutMs: 5000 });
    return 'OK';
  } catch (error) {
    return status[(error as RpcError).code];
  } finally {
    client.close();
    await grpc.drain(0);
  }
}

test.each<[what: string, guard: Guard, credentials: Credentials, outcome: string]>([
  ['no guard', {}, {}, 'OK'],
  ['a token', { tokens: [{ role: 'run', token: 'right' }] }, { token: 'right' }, 'OK'],
  ['no token', { tokens: [{ role: 'run', token: 'right' }] }, {}, 'UNAUTHENTICATED'],
  ['a wrong token', { tokens: [{ role: 'run', token: 'right' }] }, { token: 'wrong' }, 'UNAUTHENTICATED'],
  ['a longer token', { tokens: [{ role: 'run', token: 'right' }] }, { token: 'right and more' }, 'UNAUTHENTICATED'],
  [
    'a token of too weak a role',
    { tokens: [{ role: 'infer', token: 'right' }] },
    { token: 'right' },
    'PERMISSION_DENIED',
  ],
  ['TLS', { tls: server }, { tls: { ca } }, 'OK'],
  ['TLS, plain client', { tls: server }, {}, 'UNAVAILABLE'],
  ['TLS, another authority', { tls: server }, { tls: { ca: pem('other-authority.pem') } }, 'UNAVAILABLE'],
  ['mutual TLS', { tls: { ...server, clientCa: ca } }, { tls: { ca, certificate: own } }, 'OK'],
  ['mutual TLS, no certificate', { tls: { ...server, clientCa: ca } }, { tls: { ca } }, 'UNAVAILABLE'],
  [
    'mutual TLS, a foreign one',
    { tls: { ...server, clientCa: ca } },
    { tls: { ca, certificate: foreign } },
    'UNAVAILABLE',
  ],
  [
    'TLS and a token',
    { tokens: [{ role: 'run', token: 'right' }], tls: server },
    { token: 'right', tls: { ca } },
    'OK',
  ],
  [
    'TLS without the token',
    { tokens: [{ role: 'run', token: 'right' }], tls: server },
    { tls: { ca } },
    'UNAUTHENTICATED',
  ],
])('%s', async (_, guard, credentials, outcome) => {
  const found = await called(guard, credentials);
  // A refused handshake never becomes a connection; the client tries again until the deadline.
  expect(outcome === 'UNAVAILABLE' && found === 'DEADLINE_EXCEEDED' ? 'UNAVAILABLE' : found).toBe(outcome);
});

test('an open bind without a guard is refused', () => {
  const tokens = [{ role: 'run' as const, token: 't' }];
  const open = ['0.0.0.0', '::', '192.0.2.7', 'hifi.example'];
  for (const host of open) {
    expect(() => checkBind(host, {}, false)).toThrow(/open to other machines.*--insecure/);
    expect(() => checkBind(host, { tokens }, false)).toThrow(/open to other machines/);
    expect(() => checkBind(host, { tls: server }, false)).toThrow(/open to other machines/);
    expect(() => checkBind(host, { tokens, tls: server }, false)).not.toThrow();
    expect(() => checkBind(host, { tls: { ...server, clientCa: ca } }, false)).not.toThrow();
    expect(() => checkBind(host, {}, true)).not.toThrow();
  }
  for (const host of ['127.0.0.1', '127.8.8.8', '::1', 'localhost'])
    expect(() => checkBind(host, {}, false)).not.toThrow();
});

test('an invalid certificate or key, or a mismatched pair, is refused with its flag', () => {
  const at = (name: string) => path.join(__dirname, '../../fixtures/tls', name);
  const [tlsCert, tlsKey, tlsClientCa] = [at('server.pem'), at('server.key'), at('authority.pem')];
  expect(readGuard({ tlsCert, tlsKey, tlsClientCa }).tls).toEqual({ ...server, clientCa: ca });
  const refused: [files: GuardFiles, line: string][] = [
    [{ tlsCert: tlsKey, tlsKey }, `--tls-cert ${tlsKey} holds no certificate: it must be a PEM file`],
    [{ tlsCert, tlsKey: tlsCert }, `--tls-key ${tlsCert} holds no private key: it must be a PEM file`],
    [{ tlsCert, tlsKey: at('client.key') }, `--tls-key ${at('client.key')} is not the key of --tls-cert ${tlsCert}`],
    [{ tlsCert, tlsKey, tlsClientCa: __filename }, `--tls-client-ca ${__filename} holds no certificate`],
  ];
  for (const [files, line] of refused) expect(() => readGuard(files)).toThrow(line);
});

test('a compressed bomb is refused, and the server continues', async () => {
  const grpc = new GrpcServer({ host: '127.0.0.1', port: 0 });
  grpc.add(AnalyzerService, trial({ sent: 0, aborted: 0, ended: 0 }));
  const address = `127.0.0.1:${await grpc.start()}`;
  // 1 GB of zeros in 1 MB: 64 packed files of 16 MB, one after the other.
  const bomb = Buffer.concat(new Array(64).fill(gzipSync(Buffer.alloc(2 ** 24), { level: 9 })));
  const before = process.memoryUsage().rss;
  const frame = Buffer.alloc(5);
  frame.writeUInt8(1, 0);
  frame.writeUInt32BE(bomb.length, 1);
  const session = http2.connect(`http://${address}`);
  const stream = session.request({
    ':method': 'POST',
    ':path': '/hifi.v1.AnalyzerService/DescribeModel',
    'content-type': 'application/grpc',
    'grpc-encoding': 'gzip',
    te: 'trailers',
  });
  const code = await new Promise((resolve) => {
    stream.on('response', (headers) => headers['grpc-status'] !== undefined && resolve(Number(headers['grpc-status'])));
    stream.on('trailers', (headers) => resolve(Number(headers['grpc-status'])));
    stream.resume();
    stream.end(Buffer.concat([frame, bomb]));
  });
  session.close();
  expect(code).toBe(status.RESOURCE_EXHAUSTED);
  expect(process.memoryUsage().rss - before).toBeLessThan(400 << 20);
  const client = new GrpcClient(address);
  expect(await client.unary(describeModel, { model: 'm' })).toMatchObject({ name: 'm' });
  client.close();
  await grpc.drain(0);
});
