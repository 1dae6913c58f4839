import * as net from 'node:net';

/** Proxy between a client and a nats-server on the loopback interface. */
export interface NatsProxy {
  port: number;
  /** Ends all connections and accepts no more, as if the client's process had ended. */
  cut(): void;
}

/**
 * Starts a proxy that sees each message which clients publish.
 *
 * @param see receives the subject and the text of each message after it was sent to the server
 */
export async function startNatsProxy(
  serverPort: number,
  see: (subject: string, text: string) => void,
): Promise<NatsProxy> {
  const sockets = new Set<net.Socket>();
  const proxy = net.createServer((client) => {
    const server = net.connect(serverPort, '127.0.0.1');
    for (const [one, other] of [
      [client, server],
      [server, client],
    ]) {
      sockets.add(one);
      one.setNoDelay();
      one
        .on('error', () => {})
        .on('close', () => {
          sockets.delete(one);
          other.destroy();
        });
    }
    server.pipe(client);
    let rest = Buffer.alloc(0);
    client.on('data', (data) => {
      rest = Buffer.concat([rest, data]);
      for (let frame = firstFrame(rest); frame && !server.writableEnded; frame = firstFrame(rest)) {
        const { subject, size } = frame;
        const bytes = rest.subarray(0, size);
        rest = rest.subarray(size);
        server.write(bytes);
        if (subject !== undefined) see(subject, bytes.toString());
      }
    });
  });
  await new Promise<void>((listening) => proxy.listen(0, '127.0.0.1', listening));
  return {
    port: (proxy.address() as net.AddressInfo).port,
    cut() {
      proxy.close();
      // What was sent before still reaches the server.
      for (const socket of sockets) socket.destroySoon();
    },
  };
}

/** Size of the first whole command of NATS' client protocol, and the subject of a message. */
function firstFrame(data: Buffer): { size: number; subject?: string } | undefined {
  const end = data.indexOf('\r\n');
  if (end < 0) return undefined;
  const [command, ...words] = data.subarray(0, end).toString().split(/\s+/);
  if (!/^H?PUB$/i.test(command)) return { size: end + 2 };
  const size = end + 2 + Number(words.at(-1)) + 2;
  return data.length < size ? undefined : { size, subject: words[0] };
}
