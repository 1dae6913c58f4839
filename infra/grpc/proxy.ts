import { BlockList, isIPv4 } from 'node:net';
import { isLoopback } from './credentials';

/** Where grpc-js 1.14 looks for a proxy, in its order, and for the hosts that go without one. */
const VARIABLES = ['grpc_proxy', 'https_proxy', 'http_proxy'];
const EXCEPTIONS = ['no_grpc_proxy', 'no_proxy'];

/**
 * The proxy by which a connection to a service would go. A service of this machine is reached directly, whatever the environment
 * says: a proxy elsewhere cannot reach it.
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

/** By the rules of grpc-js: networks of IPv4, and ends of names; besides, `*` for all and blanks between the names. */
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
