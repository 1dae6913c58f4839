import { isExcepted } from '../../foundation/no-proxy';
import { isLoopback } from './credentials';

/**
 * Environment variables in which grpc-js 1.14 looks for a proxy, in order.
 * The second list names the hosts without one.
 */
const VARIABLES = ['grpc_proxy', 'https_proxy', 'http_proxy'];
const EXCEPTIONS = ['no_grpc_proxy', 'no_proxy', 'NO_PROXY'];

/**
 * Returns the proxy of a connection to a service. A service on this machine is always reached
 * directly: a proxy on another machine cannot reach it.
 *
 * @param address `HOST:PORT`, `dns:///HOST:PORT`, or `unix:PATH`
 * @returns its variable and address, without its password: `https_proxy, proxy.example:3128`
 */
export function grpcProxyFor(address: string): string | undefined {
  if (address.startsWith('unix:')) return undefined;
  const [, host, port = ''] = /^(?:dns:(?:\/\/[^/]*\/)?)?(.*?)(?::(\d+))?$/.exec(address) ?? ['', address];
  const list = EXCEPTIONS.map((name) => process.env[name]).find((value) => value);
  if (isLoopback(host) || isExcepted(host, port, list)) return undefined;
  const variable = VARIABLES.find((name) => process.env[name]);
  const value = variable && (process.env[variable] as string);
  if (!value || !URL.canParse(value) || new URL(value).protocol !== 'http:') return undefined;
  return `${variable}, ${new URL(value).host}`;
}
