import { BlockList, isIPv4 } from 'node:net';
import { isLoopback } from './credentials';

/**
 * Environment variables in which grpc-js 1.14 looks for a proxy, in order, and for the hosts
 * without one.
 */
const VARIABLES = ['grpc_proxy', 'https_proxy', 'http_proxy'];
const EXCEPTIONS = ['no_grpc_proxy', 'no_proxy'];

/**
 * Returns the proxy of a connection to a service. A service on this machine is reached directly,
 * whatever the environment says: a proxy elsewhere cannot reach it.
 *
 * @param address `HOST:PORT`, or `unix:PATH`
 * @returns its variable and address, without its password: `https_proxy, proxy.example:3128`
 */
export function proxyFor(address: string): string | undefined {
  const host = address.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
  if (address.startsWith('unix:') || isLoopback(host) || isExcepted(host)) return undefined;
  const variable = VARIABLES.find((name) => process.env[name]);
  const value = variable && (process.env[variable] as string);
  if (!value || !URL.canParse(value) || new URL(value).protocol !== 'http:') return undefined;
  return `${variable}, ${new URL(value).host}`;
}

/**
 * Matches by the rules of grpc-js (IPv4 networks and name suffixes), and also by `*` for all hosts
 * and blanks between names.
 */
function isExcepted(host: string): boolean {
  const variable = EXCEPTIONS.find((name) => process.env[name]);
  const excepted = ((variable && process.env[variable]) ?? '').split(',').map((each) => each.trim());
  return excepted.some((each) => each === '*' || (each !== '' && host.endsWith(each)) || isInNetwork(host, each));
}

function isInNetwork(host: string, network: string): boolean {
  const [, ip, bits] = /^([\d.]+)\/(\d+)$/.exec(network) ?? [];
  if (!isIPv4(host) || !isIPv4(ip ?? '') || Number(bits) > 32) return false;
  const list = new BlockList();
  list.addSubnet(ip, Number(bits), 'ipv4');
  return list.check(host);
}
