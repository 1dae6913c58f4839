import * as fs from 'node:fs';
import * as http from 'node:http';
import * as net from 'node:net';
import * as os from 'node:os';
import * as path from 'node:path';
import { httpProxyFor } from '../../../model/hub/proxy';
import { resolveModel } from '../../../model/resolve';
import { fixtures } from '../../cli/spawn';
import { FakeHub, filesOf } from '../../support/hub';

const ONE = '1'.repeat(40);
const NAME = 'acme/tiny-bert';
const VARIABLES = ['HTTP_PROXY', 'http_proxy', 'HTTPS_PROXY', 'https_proxy', 'NO_PROXY', 'no_proxy'];
const CHANGED = [...VARIABLES, 'HF_ENDPOINT', 'HF_HOME', 'HF_TOKEN', 'HF_HUB_OFFLINE', 'XDG_CACHE_HOME'];
const environment = { ...process.env };

/** Proxy that opens the requested tunnels if the credentials are right. */
class TunnelProxy {
  readonly requested: string[] = [];
  private readonly sockets = new Set<net.Socket>();
  readonly server = http.createServer((_, response) => response.writeHead(405).end());

  async start(): Promise<void> {
    this.server.on('connect', (request, client, head) => {
      const credentials = Buffer.from(request.headers['proxy-authorization']?.replace('Basic ', '') ?? '', 'base64');
      this.requested.push(`${credentials} ${request.url}`);
      if (String(credentials) !== 'me:p@ss') {
        client.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n');
        return;
      }
      const [host, port] = request.url!.split(':');
      const server = net.connect(Number(port), host, () => {
        client.write('HTTP/1.1 200 Connection Established\r\n\r\n');
        server.write(head);
        server.pipe(client).pipe(server);
      });
      for (const socket of [server, client as net.Socket]) {
        this.sockets.add(socket);
        socket.on('error', () => socket.destroy());
      }
    });
    await new Promise<void>((done) => this.server.listen(0, '127.0.0.1', done));
  }

  get port(): number {
    return (this.server.address() as net.AddressInfo).port;
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }
}

let root: string;
const hub = new FakeHub();
const proxy = new TunnelProxy();

beforeAll(async () => {
  await Promise.all([hub.start(), proxy.start()]);
  hub.repositories[NAME] = { refs: { main: ONE }, commits: { [ONE]: filesOf(path.join(fixtures, 'tiny-bert')) } };
});
afterAll(() => Promise.all([hub.stop(), proxy.stop()]));

beforeEach(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-proxy-'));
  for (const name of CHANGED) delete process.env[name];
  process.env.XDG_CACHE_HOME = root;
  process.env.HF_ENDPOINT = hub.endpoint;
  proxy.requested.length = 0;
});
afterEach(() => {
  for (const name of CHANGED) {
    if (environment[name] === undefined) delete process.env[name];
    else process.env[name] = environment[name];
  }
  fs.rmSync(root, { recursive: true });
});

const hosts = () => new Set(proxy.requested);
const refusal = async (name = NAME) => ((await resolveModel(name).catch((thrown: unknown) => thrown)) as Error).message;

test.each(['http_proxy', 'HTTP_PROXY'])(
  'a model by name comes through the proxy of %s, with its credentials',
  async (name) => {
    process.env[name] = `http://me:p%40ss@127.0.0.1:${proxy.port}`;
    const folder = await resolveModel(NAME);
    expect(fs.readdirSync(folder)).toContain('model.safetensors');
    // The Hub and the host from which it serves large files.
    expect(hosts().size).toBe(2);
    expect([...hosts()]).toContain(`me:p@ss ${new URL(hub.endpoint).host}`);
  },
);

test('hosts in NO_PROXY are reached directly', async () => {
  process.env.HTTP_PROXY = 'http://127.0.0.1:9';
  process.env.NO_PROXY = 'example.com, 127.0.0.1';
  await resolveModel(NAME);
  expect(proxy.requested).toEqual([]);
});

test('the error names a proxy that refuses or is away, without its password', async () => {
  process.env.http_proxy = `http://me:wrong-secret@127.0.0.1:${proxy.port}`;
  const refused = await refusal();
  expect(refused).toContain(`(through the proxy http_proxy http://127.0.0.1:${proxy.port})`);
  process.env.http_proxy = 'http://me:wrong-secret@127.0.0.1:9';
  const away = await refusal();
  expect(away).toContain('(through the proxy http_proxy http://127.0.0.1:9) cannot be reached (ECONNREFUSED)');
  expect(refused + away).not.toContain('wrong-secret');
});

test('an invalid proxy is reported in one line', async () => {
  process.env.http_proxy = 'socks5://me:secret@127.0.0.1:1080';
  expect(await refusal()).toBe(
    'http_proxy is "socks5://127.0.0.1:1080"; it must be an http or https URL, such as http://proxy.example:3128',
  );
});

describe('NO_PROXY', () => {
  test.each([
    ['', 'https://hub.example.com/x', true],
    ['*', 'https://hub.example.com/x', false],
    ['example.com', 'https://hub.example.com/x', false],
    ['example.com', 'https://example.com/x', false],
    ['example.com', 'https://badexample.com/x', true],
    ['.example.com', 'https://hub.example.com/x', false],
    ['*.example.com', 'https://hub.example.com/x', false],
    ['hub.example.com', 'https://example.com/x', true],
    ['EXAMPLE.com', 'https://hub.Example.COM/x', false],
    ['a.org,example.com:443', 'https://hub.example.com/x', false],
    ['a.org example.com:8443', 'https://hub.example.com/x', true],
    ['example.com:8443', 'https://hub.example.com:8443/x', false],
    ['127.0.0.1', 'https://127.0.0.1:5000/x', false],
    ['[::1]:5000', 'https://[::1]:5000/x', false],
    ['::1', 'https://[::1]:5000/x', false],
    ['[::1]:5001', 'https://[::1]:5000/x', true],
    ['10.1.0.0/16', 'https://10.1.255.3/x', false],
    ['10.1.0.0/16', 'https://10.2.0.1/x', true],
    ['10.1.0.0/16', 'https://10.1.example/x', true],
    ['10.1.0.0/33', 'https://10.1.255.3/x', true],
    ['2001:db8::/32', 'https://[2001:db8:1::2]/x', false],
    ['2001:db8::/32', 'https://[2001:db9::2]/x', true],
  ])('%p, %s: through the proxy %p', (list, url, proxied) => {
    for (const name of ['no_proxy', 'NO_PROXY']) {
      const found = httpProxyFor(new URL(url), { HTTPS_PROXY: 'proxy:3128', [name]: list });
      expect(found?.shown).toBe(proxied ? 'HTTPS_PROXY http://proxy:3128' : undefined);
    }
  });

  test('the protocol selects the variable; the lower case takes precedence', () => {
    const all = {
      http_proxy: 'http://a:1',
      https_proxy: 'http://b:2',
      HTTPS_PROXY: 'http://c:3',
      HTTP_PROXY: 'http://d:4',
    };
    expect(httpProxyFor(new URL('https://x'), all)?.shown).toBe('https_proxy http://b:2');
    expect(httpProxyFor(new URL('http://x'), all)?.shown).toBe('http_proxy http://a:1');
    expect(httpProxyFor(new URL('http://x'), { https_proxy: 'http://b:2' })).toBeUndefined();
  });
});

test('refused answers leave no connection behind', async () => {
  const sockets = () =>
    fs
      .readdirSync('/proc/self/fd')
      .flatMap((fd) => linkOf(fd))
      .filter((to) => to.startsWith('socket')).length;
  // The kernel holds a body larger than the connection's buffers until it is read or abandoned.
  const refusing = http.createServer((_, response) => response.writeHead(404).end(Buffer.alloc(4 << 20)));
  await new Promise<void>((done) => refusing.listen(0, '127.0.0.1', done));
  process.env.HF_ENDPOINT = `http://127.0.0.1:${(refusing.address() as net.AddressInfo).port}`;
  const before = sockets();
  for (let i = 0; i < 40; i++) await refusal('acme/nobody');
  expect(sockets() - before).toBeLessThan(10);
  refusing.closeAllConnections();
  await new Promise((done) => refusing.close(done));
});

function linkOf(fd: string): string[] {
  try {
    return [fs.readlinkSync(`/proc/self/fd/${fd}`)];
  } catch {
    return []; // It has been closed since.
  }
}
