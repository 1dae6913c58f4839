import * as crypto from 'node:crypto';
import * as fs from 'node:fs';
import { createSecureContext } from 'node:tls';
import { invalidInput } from '../../foundation/errors';

/** What a client shows and trusts. */
export interface Credentials {
  /** Sent with each call. */
  token?: string;
  /** Without it the connection is not encrypted. */
  tls?: {
    /** PEM of the authority of the server's certificate; the system's authorities where absent. */
    ca?: Buffer;
    /** PEM of the client's own certificate and key, for mutual TLS. */
    certificate?: { cert: Buffer; key: Buffer };
  };
}

/** How a server is guarded. */
export interface Guard {
  /** Every call but health checks must bear it. */
  token?: string;
  tls?: {
    cert: Buffer;
    key: Buffer;
    /** PEM of the authority of the clients' certificates: with it a client without one is refused. */
    clientCa?: Buffer;
  };
}

/** Where the parts of a guard lie, as `hifi serve` is given them. */
export interface GuardFiles {
  tokenFile?: string;
  tlsCert?: string;
  tlsKey?: string;
  tlsClientCa?: string;
}

/**
 * Reads what a server is guarded by; the token may be in the environment instead, as HIFI_TOKEN.
 *
 * @throws HifiError INVALID_INPUT for a file that cannot be read, an empty token, or one half of a certificate
 */
export function readGuard({ tokenFile, tlsCert, tlsKey, tlsClientCa }: GuardFiles): Guard {
  if ((tlsCert === undefined) !== (tlsKey === undefined)) {
    const [given, missing] = tlsCert === undefined ? ['--tls-key', '--tls-cert'] : ['--tls-cert', '--tls-key'];
    throw invalidInput(`${given} needs ${missing}: a certificate and its key go together`);
  }
  if (tlsClientCa !== undefined && tlsCert === undefined) {
    throw invalidInput('--tls-client-ca needs --tls-cert and --tls-key: clients are asked for certificates over TLS');
  }
  return {
    ...readToken(tokenFile),
    ...(tlsCert !== undefined && {
      tls: {
        ...readPair(tlsCert, tlsKey as string),
        ...(tlsClientCa !== undefined && { clientCa: readCertificate('--tls-client-ca', tlsClientCa) }),
      },
    }),
  };
}

/**
 * Reads the token of a server and its clients. Strips white space and the byte order mark, which
 * editors and shells add.
 *
 * @throws HifiError INVALID_INPUT for a token that is unreadable, empty or not ASCII
 */
function readToken(tokenFile: string | undefined): { token?: string } {
  const given = tokenFile === undefined ? process.env.HIFI_TOKEN : readPart('--token-file', tokenFile).toString();
  if (given === undefined) return {};
  const from = tokenFile === undefined ? 'HIFI_TOKEN' : `--token-file ${tokenFile}`;
  // `trim` also removes U+FEFF.
  const token = given.trim();
  if (token === '') throw invalidInput(`${from}: the token is empty`);
  if (!/^[\x20-\x7e]+$/.test(token)) throw invalidInput(`${from}: the token must be one line of ASCII characters`);
  return { token };
}

/** Where a client's credentials lie, as the commands that call a service are given them. */
export interface CredentialFiles {
  tokenFile?: string;
  /** TLS is used where it, or `tls`, is given. */
  tlsCa?: string;
  tlsCert?: string;
  tlsKey?: string;
}

/**
 * Reads what a client shows and trusts; the token may be in the environment instead, as HIFI_TOKEN.
 *
 * @param secure whether to use TLS though no authority is named: then the system's count
 * @throws HifiError INVALID_INPUT as {@link readGuard}
 */
export function readCredentials({ tokenFile, tlsCa, tlsCert, tlsKey }: CredentialFiles, secure = false): Credentials {
  const { tls } = readGuard({ tlsCert, tlsKey });
  return {
    ...readToken(tokenFile),
    ...((secure || tlsCa !== undefined || tls) && {
      tls: {
        ...(tlsCa !== undefined && { ca: readCertificate('--tls-ca', tlsCa) }),
        ...(tls && { certificate: { cert: tls.cert, key: tls.key } }),
      },
    }),
  };
}

function readPart(flag: string, file: string): Buffer {
  try {
    return fs.readFileSync(file);
  } catch (error) {
    throw invalidInput(`${flag} ${file} cannot be read (${(error as NodeJS.ErrnoException).code})`, error);
  }
}

/** Reads one or several PEM certificates. */
function readCertificate(flag: string, file: string): Buffer {
  const bytes = readPart(flag, file);
  try {
    new crypto.X509Certificate(bytes);
  } catch (error) {
    throw invalidInput(
      `${flag} ${file} holds no certificate: it must be a PEM file, -----BEGIN CERTIFICATE-----`,
      error,
    );
  }
  return bytes;
}

/** Reads a certificate and its key. OpenSSL checks them here, not at the first connection. */
function readPair(certFile: string, keyFile: string): { cert: Buffer; key: Buffer } {
  const cert = readCertificate('--tls-cert', certFile);
  const key = readPart('--tls-key', keyFile);
  try {
    crypto.createPrivateKey(key);
  } catch (error) {
    const right = 'a PEM file without a passphrase, -----BEGIN PRIVATE KEY-----';
    throw invalidInput(`--tls-key ${keyFile} holds no private key: it must be ${right}`, error);
  }
  try {
    createSecureContext({ cert, key });
  } catch (error) {
    throw invalidInput(`--tls-key ${keyFile} is not the key of --tls-cert ${certFile}`, error);
  }
  return { cert, key };
}

/**
 * Refuses to be open to other machines without a guard.
 *
 * @throws HifiError INVALID_INPUT for another address than the loopback without TLS and a token, or mutual TLS
 */
export function checkBind(host: string, { token, tls }: Guard, insecure: boolean): void {
  if (insecure || isLoopback(host) || (tls && (token !== undefined || tls.clientCa))) return;
  throw invalidInput(
    `--host ${host} is open to other machines: give --tls-cert and --tls-key with --token-file or --tls-client-ca, or --insecure`,
  );
}

export const isLoopback = (host: string) =>
  host === 'localhost' || host === '::1' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host);

/** Whether a call bears the token; takes the same time wherever two tokens differ. */
export function bearsToken(authorization: unknown, token: string): boolean {
  const digest = (text: string) => crypto.createHash('sha256').update(text).digest();
  const given = typeof authorization === 'string' ? authorization.replace(/^Bearer /i, '') : '';
  return crypto.timingSafeEqual(digest(given), digest(token));
}
