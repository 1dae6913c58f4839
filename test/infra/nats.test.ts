import { awaitNats, connectNats, findJetStream, natsAddress } from '../../infra/nats';
import { startNats } from '../support/nats';
import { freePorts } from '../support/ports';
import { startProcess } from '../support/server-process';
import { findTool } from '../support/tools';

describe('an address', () => {
  const { NATS_CREDS } = process.env;
  afterEach(() => {
    if (NATS_CREDS === undefined) delete process.env.NATS_CREDS;
    else process.env.NATS_CREDS = NATS_CREDS;
  });

  test('has servers and a user', () => {
    const at = (url: string) => {
      const { shown, servers, options } = natsAddress(url);
      const { user, pass, token, tls } = options;
      return { shown, servers, user, pass, token, tls };
    };
    expect(at('nats://a:4223')).toMatchObject({ shown: 'a:4223', servers: ['a:4223'], user: undefined });
    expect(at('localhost')).toMatchObject({ servers: ['localhost'], tls: undefined });
    expect(at('nats://a:1, [::1]:2')).toMatchObject({ shown: 'a:1, [::1]:2', servers: ['a:1', '[::1]:2'] });
    expect(at('tls://u:p%40ss@a:1')).toMatchObject({ shown: 'a:1', user: 'u', pass: 'p@ss', tls: {} });
    expect(at('nats://secret@a:1')).toMatchObject({ shown: 'a:1', user: undefined, token: 'secret' });
  });

  test('that is invalid is refused, and its password is not shown', () => {
    for (const url of ['', 'nats://', 'http://u:secret@a:1', 'nats://u:secret@a:none', 'nats://a,,b']) {
      expect(() => natsAddress(url)).toThrow(/^the address of NATS must be [^,]*, several with commas$/);
    }
    process.env.NATS_CREDS = '/no/such.creds';
    expect(() => natsAddress('nats://a')).toThrow(/^NATS_CREDS is \/no\/such\.creds: it cannot be read: ENOENT/);
  });
});

test.each([true, false])('a server with JetStream: %s', async (jetstream) => {
  const server = await startNats({ jetstream });
  const link = await connectNats(natsAddress(server.url), 'test');
  expect((await findJetStream(link)).manager !== undefined).toBe(jetstream);
  const { lost } = link;
  expect(lost.aborted).toBe(false);
  const aborted = new Promise((resolve) => lost.addEventListener('abort', resolve));
  await server.kill();
  await aborted;
  expect(lost.reason).toMatchObject({ message: 'the connection to NATS was lost' });
  await expect(link.flush()).rejects.toThrow();
  await link.close();
  await server.stop();
});

test('a server that requires a password', async () => {
  const [port] = await freePorts(1);
  const at = (who: string) => natsAddress(`nats://${who}127.0.0.1:${port}`);
  const args = ['--addr', '127.0.0.1', '--port', String(port), '--user', 'gateway', '--pass', 'p@ss'];
  const { server, answer } = await startProcess(findTool('nats-server'), args, () =>
    connectNats(at('gateway:p%40ss@'), 'test'),
  );
  await answer.close();
  for (const who of ['', 'gateway:secret@', 'secret@']) {
    const refusal = await connectNats(at(who), 'test').catch((error: Error) => error.message);
    expect(refusal).toBe(`no connection to NATS at 127.0.0.1:${port}: Authorization Violation`);
  }
  const leaving = new AbortController();
  const attempts: unknown[] = [];
  const waiting = awaitNats(at('gateway:secret@'), 'test', leaving.signal, (error) => {
    attempts.push(error);
    if (attempts.length === 2) leaving.abort();
  });
  await expect(waiting).rejects.toThrow();
  expect(attempts).toHaveLength(2);
  await server.kill('SIGKILL');
});
