import { once } from 'node:events';
import * as http from 'node:http';
import type { AddressInfo } from 'node:net';
import * as net from 'node:net';
import { EventStream } from '../../../gateway/live/event-stream';

/** Serves one stream of events of 64 KB, as many as the reader takes. */
async function served(mostIdleMs: number) {
  const seen = { sent: 0, left: false };
  let over = Promise.resolve();
  const server = http.createServer((_, response) => {
    const stream = new EventStream(response, mostIdleMs);
    over = (async () => {
      for (let i = 0; i < 2000; i++) {
        await stream.send('event', 'x'.repeat(1 << 16));
        seen.sent++;
      }
    })().catch((error) => {
      seen.left = error.code === 'CANCELLED';
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, seen, over: () => over, port: (server.address() as AddressInfo).port };
}

test('an idle reader costs only the system buffers, and is disconnected', async () => {
  const { server, seen, over, port } = await served(300);
  const socket = net.connect(port, '127.0.0.1');
  socket.write('GET / HTTP/1.1\r\nhost: localhost\r\n\r\n');
  socket.pause();
  await once(server, 'request');
  await over();
  expect(seen.left).toBe(true);
  expect(seen.sent).toBeLessThan(400);
  socket.destroy();
  server.close();
});

test('a reader that reads receives all events', async () => {
  const { server, seen, over, port } = await served(60_000);
  const [response] = (await once(http.get({ port, host: '127.0.0.1' }), 'response')) as [http.IncomingMessage];
  let bytes = 0;
  response.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
  });
  while (seen.sent < 2000) await new Promise((resolve) => setTimeout(resolve, 10));
  await over();
  expect(seen).toEqual({ sent: 2000, left: false });
  expect(bytes).toBeGreaterThan(1000 * 2 ** 16);
  response.destroy();
  server.closeAllConnections();
  server.close();
});
