import * as net from 'node:net';
import { GrpcClient } from '../../../infra/grpc/client';
import { grpcProxyFor } from '../../../infra/grpc/proxy';
import { GrpcServer } from '../../../infra/grpc/server';
import { AnalyzerService } from '../../../proto/gen/hifi/v1/analyzer_pb';
import { freePorts } from '../../support/ports';
import { trial } from './service';

const { describeModel } = AnalyzerService.method;
const NAMES = ['grpc_proxy', 'https_proxy', 'http_proxy', 'no_grpc_proxy', 'no_proxy', 'NO_PROXY'];
const before = NAMES.map((name) => [name, process.env[name]] as const);
const given = (environment: Record<string, string>) => {
  for (const name of NAMES) delete process.env[name];
  Object.assign(process.env, environment);
};
afterAll(() => given(Object.fromEntries(before.filter(([, value]) => value !== undefined) as [string, string][])));

/** Proxy that accepts every CONNECT and forwards none. */
const connects: string[] = [];
const proxy = net.createServer((socket) =>
  socket
    .on('error', () => {})
    .once('data', (text) => {
      connects.push(String(text).split('\r\n')[0]);
      socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
    }),
);
let at: string;
beforeAll(async () => {
  await new Promise<void>((listening) => proxy.listen(0, '127.0.0.1', listening));
  at = `127.0.0.1:${(proxy.address() as net.AddressInfo).port}`;
});
afterAll(() => proxy.close());
beforeEach(() => connects.splice(0));

test.each(NAMES.slice(0, 3))('a service on this machine is reached directly, despite %s', async (name) => {
  const server = new GrpcServer({ host: '127.0.0.1', port: 0 });
  server.add(AnalyzerService, trial({ sent: 0, aborted: 0, ended: 0 }));
  const port = await server.start();
  given({ [name]: `http://user:secret@${at}` });
  for (const host of ['127.0.0.1', 'localhost']) {
    const client = new GrpcClient(`${host}:${port}`);
    expect(await client.unary(describeModel, { model: 'm' }, { timeoutMs: 5000 })).toMatchObject({ name: 'm' });
    client.close();
  }
  expect(connects).toEqual([]);
  await server.drain(0);
});

test('a service elsewhere is reached through the proxy, which the message names without its password', async () => {
  given({ https_proxy: `http://user:secret@${at}` });
  const client = new GrpcClient('hifi.invalid:7070');
  const error: Error = await client.unary(describeModel, { model: 'm' }, { timeoutMs: 5000 }).catch((thrown) => thrown);
  expect(error.message).toMatch(
    new RegExp(`^hifi\\.invalid:7070 cannot be reached \\(.*\\) by the proxy of https_proxy, ${at}; list hosts`),
  );
  expect(connects[0]).toBe('CONNECT hifi.invalid:7070 HTTP/1.1');
  client.close();
});

test('the message on an absent service names no unused proxy', async () => {
  const [port] = await freePorts(1);
  given({ https_proxy: `http://${at}` });
  const client = new GrpcClient(`127.0.0.1:${port}`);
  const line = `127.0.0.1:${port} cannot be reached (ECONNREFUSED)`;
  await expect(client.unary(describeModel, { model: 'm' }, { timeoutMs: 5000 })).rejects.toThrow(line);
  client.close();
});

test('the message on an absent service at a socket names the service and no path', async () => {
  const client = new GrpcClient('unix:/nowhere/analyzer.sock');
  const line = /^the analyzer cannot be reached \(ENOENT\)$/;
  await expect(client.unary(describeModel, { model: 'm' }, { timeoutMs: 5000 })).rejects.toThrow(line);
  client.close();
});

test('selection of the proxy for a service', () => {
  given({
    http_proxy: 'http://a.example',
    grpc_proxy: 'http://b.example:3128',
    no_proxy: '.local, 10.1.0.0/16,192.0.2.7',
  });
  const direct = [
    'unix:/tmp/gateway.sock',
    '[::1]:7070',
    '127.8.8.8:7070',
    'gateway.local:7070',
    '10.1.255.3:7070',
    '192.0.2.7:1',
    'dns:///localhost:7070',
    'dns:///gateway.local:7070',
  ];
  for (const address of direct) expect([address, grpcProxyFor(address)]).toEqual([address, undefined]);
  for (const address of ['gateway.example:7070', '10.2.0.1:7070', '[2001:db8::1]:7070']) {
    expect([address, grpcProxyFor(address)]).toEqual([address, 'grpc_proxy, b.example:3128']);
  }
  given({ https_proxy: 'http://a.example', no_proxy: '*' });
  expect(grpcProxyFor('gateway.example:7070')).toBeUndefined();
  given({ https_proxy: 'http://a.example', NO_PROXY: 'gateway.example:7070' });
  expect(grpcProxyFor('gateway.example:7070')).toBeUndefined();
  expect(grpcProxyFor('gateway.example:7071')).toBe('https_proxy, a.example');
  given({ https_proxy: 'socks5://a.example' });
  expect(grpcProxyFor('gateway.example:7070')).toBeUndefined();
});
