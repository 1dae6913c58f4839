import * as crypto from 'node:crypto';
import * as fs from 'node:fs';
import { createSecureContext } from 'node:tls';
import { invalidInput } from '../../foundation/errors';

/** Credentials of a client, and the authorities that it trusts. */
export interface Credentials {
  /** Token that is sent with each call. */
  token?: string;
  /** TLS settings; without them the connection is not encrypted. */
  tls?: {
    /** PEM of the server's certificate authority. Default: the system's authorities. */
    ca?: Buffer;
    /** PEM of the client's certificate and key, for mutual TLS. */
    certificate?: { cert: Buffer; key: Buffer };
  };
}

/** Access control of a server. */
export interface Guard {
  /** Token that every call except health checks must have. */
  token?: string;
  tls?: {
    cert: Buffer;
    key: Buffer;
    /**
     * PEM of the clients' certificate authority. If given, a client without a certificate is
     * refused.
     */
    clientCa?: Buffer;
  };
}

/** Files of a guard, from the flags of `hifi serve`. */
export interface GuardFiles {
  tokenFile?: string;
  tlsCert?: string;
  tlsKey?: string;
  tlsClientCa?: string;
}

/**
 * Reads a server's guard. The environment variable HIFI_TOKEN may hold the token instead.
 *
 * @throws HifiError INVALID_INPUT for an unreadable file, an empty token, or a certificate without
 *   its key
 */
export function readGuard({ tokenFile, tlsCert, tlsKey, tlsClientCa }: GuardFiles): Guard {
  if ((tlsCert === undefined) !== (tlsKey === undefined)) {
    const [given, missing] = tlsCert === undefined ? ['--tls-key', '--tls-cert'] : ['--tls-cert', '--tls-key'];
    throw invalidInput(`${given} needs ${missing}: a certificate and its key go together`);
  }
  if (tlsClientCa !== undefined && tlsCert === undefined) {
    throw invalidInput('--tls-client-ca needs --tls-cert and --tls-key: client certificates need TLS');
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

/** Files of a client's credentials, from the flags of commands that call a service. */
export interface CredentialFiles {
  tokenFile?: string;
  /** Certificate authority of the server. Implies TLS. */
  tlsCa?: string;
  tlsCert?: string;
  tlsKey?: string;
}

/**
 * Reads a client's credentials. The environment variable HIFI_TOKEN may hold the token instead.
 *
 * @param secure true to use TLS without a given authority: the system's authorities apply
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
 * Refuses to serve other machines without a guard.
 *
 * @throws HifiError INVALID_INPUT for an address other than the loopback without TLS and a token,
 *   or mutual TLS
 */
export function checkBind(host: string, { token, tls }: Guard, insecure: boolean): void {
  if (insecure || isLoopback(host) || (tls && (token !== undefined || tls.clientCa))) return;
  throw invalidInput(
    `--host ${host} is open to other machines: give --tls-cert and --tls-key with --token-file or --tls-client-ca, or --insecure`,
  );
}

export const isLoopback = (host: string) =>
  host === 'localhost' || host === '::1' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host);

/** Returns true if a call has the token. Takes constant time, so that timing reveals nothing. */
export function bearsToken(authorization: unknown, token: string): boolean {
  const digest = (text: string) => crypto.createHash('sha256').update(text).digest();
  const given = typeof authorization === 'string' ? authorization.replace(/^Bearer /i, '') : '';
  return crypto.timingSafeEqual(digest(given), digest(token));
}
