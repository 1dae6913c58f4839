import * as crypto from 'node:crypto';
import * as fs from 'node:fs';
import { createSecureContext } from 'node:tls';
import { invalidInput } from '../../foundation/errors';
import { parseTokens, type RoleToken, strongest } from './tokens';

/** Credentials of a client, and the authorities that it trusts. */
export interface Credentials {
  /** Token that is sent with each call. */
  token?: string;
  /** TLS settings; without them the connection is not encrypted. */
  tls?: {
    /** PEM of the server's certificate authority. Default: the system's authorities. */
    ca?: Buffer;
    /** Client's certificate, for mutual TLS. */
    certificate?: {
      /** PEM of the certificate. */
      cert: Buffer;
      /** PEM of its key. */
      key: Buffer;
    };
  };
}

/** Access control of a server. */
export interface Guard {
  /** Tokens of which every call except health checks must have one. Default: none is needed. */
  tokens?: readonly RoleToken[];
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
 * Reads a server's guard. The environment variable HIFI_TOKEN may hold the tokens instead.
 *
 * @throws HifiError INVALID_INPUT for an unreadable file, a wrong line of the token file, or a
 *   certificate without its key
 */
export function readGuard({ tokenFile, tlsCert, tlsKey, tlsClientCa }: GuardFiles): Guard {
  if ((tlsCert === undefined) !== (tlsKey === undefined)) {
    const [given, missing] = tlsCert === undefined ? ['--tls-key', '--tls-cert'] : ['--tls-cert', '--tls-key'];
    throw invalidInput(`${given} needs ${missing}: a certificate and its key go together`);
  }
  if (tlsClientCa !== undefined && tlsCert === undefined) {
    throw invalidInput('--tls-client-ca needs --tls-cert and --tls-key: client certificates need TLS');
  }
  const tokens = readTokens(tokenFile);
  return {
    ...(tokens && { tokens }),
    ...(tlsCert !== undefined && {
      tls: {
        ...readPair(tlsCert, tlsKey as string),
        ...(tlsClientCa !== undefined && { clientCa: readCertificate('--tls-client-ca', tlsClientCa) }),
      },
    }),
  };
}

/** Reads the tokens of a server, or those that a client may use. @throws as `parseTokens` */
function readTokens(tokenFile: string | undefined): RoleToken[] | undefined {
  const given = tokenFile === undefined ? process.env.HIFI_TOKEN : readPart('--token-file', tokenFile).toString();
  return given === undefined
    ? undefined
    : parseTokens(given, tokenFile === undefined ? 'HIFI_TOKEN' : `--token-file ${tokenFile}`);
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
 * Reads a client's credentials. The environment variable HIFI_TOKEN may hold the token instead. Of
 * several tokens the client takes the first of the strongest role.
 *
 * @param secure true to use TLS without a given authority: the system's authorities apply
 * @throws HifiError INVALID_INPUT as {@link readGuard}
 */
export function readCredentials({ tokenFile, tlsCa, tlsCert, tlsKey }: CredentialFiles, secure = false): Credentials {
  const { tls } = readGuard({ tlsCert, tlsKey });
  const tokens = readTokens(tokenFile);
  return {
    ...(tokens && { token: strongest(tokens).token }),
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
export function checkBind(host: string, { tokens, tls }: Guard, insecure: boolean): void {
  if (insecure || isLoopback(host) || (tls && (tokens || tls.clientCa))) return;
  throw invalidInput(
    `--host ${host} is open to other machines: give --tls-cert and --tls-key with --token-file or --tls-client-ca, or --insecure`,
  );
}

export const isLoopback = (host: string) =>
  host === 'localhost' || host === '::1' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host);
