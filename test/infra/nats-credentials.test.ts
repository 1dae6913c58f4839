import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { nkeys } from '@nats-io/transport-node';
import { connectNats, natsAddress } from '../../infra/nats';
import { startNats } from '../support/nats';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-creds-'));
const { NATS_CREDS } = process.env;
afterAll(() => {
  fs.rmSync(folder, { recursive: true });
  if (NATS_CREDS === undefined) delete process.env.NATS_CREDS;
  else process.env.NATS_CREDS = NATS_CREDS;
});

/** Sets NATS_CREDS to a file. @returns its path */
function credentials(text: string): string {
  const file = path.join(folder, 'nats.creds');
  fs.writeFileSync(file, text);
  process.env.NATS_CREDS = file;
  return file;
}

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();
const seedOf = (pair: { getSeed(): Uint8Array }) => text(pair.getSeed());
const block = (what: string, body: string) => `-----BEGIN ${what}-----\n${body}\n------END ${what}------\n\n`;
const base64 = (value: string | Uint8Array) => Buffer.from(value).toString('base64url');

/** NATS JWT: https://docs.nats.io/running-a-nats-service/nats_admin/security/jwt */
function jwt(issuer: ReturnType<typeof nkeys.createUser>, subject: string, type: string, claims = {}): string {
  const head = base64(JSON.stringify({ typ: 'JWT', alg: 'ed25519-nkey' }));
  const at = Math.floor(Date.now() / 1000);
  const nats = { type, version: 2, ...claims };
  const body = base64(
    JSON.stringify({ jti: 'test', iat: at, iss: issuer.getPublicKey(), sub: subject, name: type, nats }),
  );
  return `${head}.${body}.${base64(issuer.sign(Buffer.from(`${head}.${body}`)))}`;
}

test("a user's bare nkey seed, with or without its delimiter lines", async () => {
  const user = nkeys.createUser();
  const server = await startNats({
    jetstream: false,
    config: `authorization { users: [{ nkey: ${user.getPublicKey()} }] }`,
  });
  for (const file of [`${seedOf(user)}\n`, block('USER NKEY SEED', seedOf(user))]) {
    credentials(file);
    const link = await connectNats(natsAddress(server.url), 'test');
    await link.flush();
    await link.close();
  }
  credentials(seedOf(nkeys.createUser()));
  await expect(connectNats(natsAddress(server.url), 'test')).rejects.toThrow(/Authorization Violation$/);
  await server.stop();
});

test("a credentials file: a user's JWT with its seed", async () => {
  const [operator, account, user] = [nkeys.createOperator(), nkeys.createAccount(), nkeys.createUser()];
  const limits = { subs: -1, data: -1, payload: -1, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 };
  const accountJwt = jwt(operator, account.getPublicKey(), 'account', { limits });
  const operatorJwt = jwt(operator, operator.getPublicKey(), 'operator');
  const server = await startNats({
    jetstream: false,
    config: `operator: ${operatorJwt}
      resolver: MEMORY
      resolver_preload: { ${account.getPublicKey()}: ${accountJwt} }`,
  });
  const userJwt = jwt(account, user.getPublicKey(), 'user', { subs: -1, data: -1, payload: -1 });
  credentials(block('NATS USER JWT', userJwt) + block('USER NKEY SEED', seedOf(user)));
  const link = await connectNats(natsAddress(server.url), 'test');
  await link.flush();
  await link.close();
  await server.stop();
});

test('any other file is refused in one line that shows no key', () => {
  const wanted = "it must be a credentials file of a user (JWT and seed, as nsc writes it) or a user's nkey seed (SU…)";
  const account = seedOf(nkeys.createAccount());
  const user = seedOf(nkeys.createUser());
  const token = jwt(nkeys.createAccount(), nkeys.createUser().getPublicKey(), 'user');
  // Changes a letter in the middle: the last letter of base 32 has unused bits.
  const damaged = `${user.slice(0, 30)}${user[30] === 'A' ? 'B' : 'A'}${user.slice(31)}`;
  for (const [content, why] of [
    ['', `it holds neither a JWT nor a seed; ${wanted}`],
    [block('NATS USER JWT', token), `it holds a JWT without its seed; ${wanted}`],
    [account, `its seed begins with SA and is no user's; ${wanted}`],
    [damaged, 'its seed is damaged: the checksum does not match'],
    [`${token}\n${user}\n`, `its JWT and seed are not within lines of dashes; ${wanted}`],
  ]) {
    const file = credentials(content);
    expect(() => natsAddress('nats://a')).toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT', message: `NATS_CREDS is ${file}: ${why}` }),
    );
  }
  process.env.NATS_CREDS = folder;
  expect(() => natsAddress('nats://a')).toThrow(/it is a (folder|FIFO); it must be a regular file$/);
  process.env.NATS_CREDS = path.join(folder, 'fifo');
  spawnSync('mkfifo', [process.env.NATS_CREDS]);
  expect(() => natsAddress('nats://a')).toThrow(/it is a (folder|FIFO); it must be a regular file$/);
});
