import * as http from 'node:http';
import type { AddressInfo } from 'node:net';
import { addressError } from '../../infra/address-error';

test('an address in use or of another machine gives the reason and the remedy', async () => {
  const taken = http.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => taken.once('listening', resolve));
  const { port } = taken.address() as AddressInfo;
  const failure = (host: string) =>
    new Promise<Error>((resolve) => http.createServer().once('error', resolve).listen(port, host));
  try {
    expect(addressError(`127.0.0.1:${port}`, await failure('127.0.0.1'))).toMatchObject({
      code: 'FAILED',
      message: `127.0.0.1:${port} cannot be served on: another program serves there: give another port`,
    });
    expect(addressError('192.0.2.1:1', await failure('192.0.2.1')).message).toMatch(/it is no address of this machine/);
  } finally {
    await new Promise((resolve) => taken.close(resolve));
  }
  expect(addressError('h:1', new Error('odd')).message).toBe('h:1 cannot be served on: odd');
});
