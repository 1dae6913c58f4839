import * as net from 'node:net';

/** Proxy that breaks connections. */
export interface CuttingProxy {
  port: number;
  /** Bytes that a connection passes on to the client before the proxy breaks it. */
  cutAfter: number;
  /** Number of broken connections. */
  cuts: number;
  /** Bytes that clients have received. */
  passed: number;
  /** First lines and range headers of the requests. */
  requests: string[];
  stop(): Promise<void>;
}

/** Starts a TCP proxy before a port of the loopback interface. */
export async function startCuttingProxy(target: number): Promise<CuttingProxy> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer((client) => {
    const upstream = net.connect(target, '127.0.0.1');
    let left = proxy.cutAfter;
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => {}).on('close', () => sockets.delete(socket));
    }
    client.on('close', () => upstream.destroy());
    upstream.on('close', () => client.end());
    client.on('data', (chunk) => {
      const head = chunk.toString('latin1');
      if (/^[A-Z]+ \//.test(head))
        proxy.requests.push([head.split(' ', 1)[0], /range: (.*)/i.exec(head)?.[1]?.trim()].join(' '));
      upstream.write(chunk);
    });
    upstream.on('data', (chunk) => {
      const part = chunk.subarray(0, left);
      left -= part.length;
      proxy.passed += part.length;
      client.write(part);
      if (left > 0) return;
      proxy.cuts++;
      client.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const proxy: CuttingProxy = {
    port: (server.address() as net.AddressInfo).port,
    cutAfter: Number.POSITIVE_INFINITY,
    cuts: 0,
    passed: 0,
    requests: [],
    stop: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
  return proxy;
}
