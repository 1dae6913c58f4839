import { BlockList, isIP } from 'node:net';

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
