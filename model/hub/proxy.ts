import { BlockList, isIP } from 'node:net';
import { invalidInput } from '../../foundation/errors';

/** Proxy that the environment names for a URL. */
export interface HttpProxy {
  /** URL with its credentials. */
  url: URL;
  /** Variable and URL without credentials, for messages. */
  shown: string;
}

/**
 * Returns the proxy for a URL: `https_proxy` or `http_proxy` by its protocol. The lower case takes
 * precedence, as with curl. `no_proxy` lists hosts that are reached directly, see
 * {@link isExcepted}.
 * @throws HifiError INVALID_INPUT for a proxy that is not an http(s) URL
 */
export function proxyFor(url: URL, environment: NodeJS.ProcessEnv = process.env): HttpProxy | undefined {
  const lower = `${url.protocol.slice(0, -1)}_proxy`;
  const variable = [lower, lower.toUpperCase()].find((name) => environment[name]);
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  if (variable === undefined || isExcepted(url.hostname, port, environment.no_proxy || environment.NO_PROXY)) {
    return undefined;
  }
  const written = environment[variable]!.trim();
  const text = written.includes('://') ? written : `http://${written}`;
  const proxy = URL.canParse(text) ? new URL(text) : undefined;
  if (proxy === undefined || !/^https?:$/.test(proxy.protocol)) {
    // A password may precede the last @.
    const named = written.replace(/[^/]*@/, '');
    throw invalidInput(`${variable} is "${named}"; it must be an http or https URL, such as http://proxy.example:3128`);
  }
  return { url: proxy, shown: `${variable} ${proxy.protocol}//${proxy.host}` };
}

/**
 * Returns true if a list such as `no_proxy` names a host. A host includes its subdomains,
 * `ADDRESS/BITS` is a network, `:PORT` limits an entry to that port, and `*` stands for all hosts.
 */
export function isExcepted(hostname: string, port: string, list = ''): boolean {
  const host = bare(hostname);
  return list
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .some((entry) => {
      if (entry === '*') return true;
      // An IPv6 address contains colons; with a port it is in brackets.
      const [, bracketed, name, at] = /^(?:\[([^\]]*)\]|([^:]*|[^:]*:[^:]*:.*?))(?::(\d+))?$/.exec(entry) ?? [];
      const wanted = bare(bracketed ?? name ?? '').replace(/^\*?\./, '');
      if (wanted === '' || (at !== undefined && at !== port)) return false;
      return host === wanted || host.endsWith(`.${wanted}`) || isInNetwork(host, wanted);
    });
}

function isInNetwork(host: string, network: string): boolean {
  const [, address, bits] = /^([\d.]+|[\da-f:.]+)\/(\d{1,3})$/.exec(network) ?? [];
  const family = isIP(host);
  if (family === 0 || isIP(address ?? '') !== family || Number(bits) > (family === 4 ? 32 : 128)) return false;
  const [list, type] = [new BlockList(), family === 4 ? 'ipv4' : 'ipv6'] as const;
  list.addSubnet(address, Number(bits), type);
  return list.check(host, type);
}

const bare = (host: string) =>
  host
    .toLowerCase()
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '');
