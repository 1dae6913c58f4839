import { invalidInput } from '../../errors';

/** Proxy that the environment names for a URL. */
export interface HttpProxy {
  /** URL with its credentials. */
  url: URL;
  /** Variable and URL without credentials, for messages. */
  shown: string;
}

/**
 * Returns the proxy for a URL: `https_proxy` or `http_proxy` by its protocol. The lower case takes
 * precedence, as with curl. `no_proxy` lists hosts that are reached directly. A host includes its
 * subdomains, `:PORT` limits it to that port, and `*` stands for all hosts.
 * @throws HifiError INVALID_INPUT for a proxy that is not an http(s) URL
 */
export function proxyFor(url: URL, environment: NodeJS.ProcessEnv = process.env): HttpProxy | undefined {
  const lower = `${url.protocol.slice(0, -1)}_proxy`;
  const variable = [lower, lower.toUpperCase()].find((name) => environment[name]);
  if (variable === undefined || isExcepted(url, environment.no_proxy || environment.NO_PROXY || '')) return undefined;
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

function isExcepted({ hostname, port, protocol }: URL, list: string): boolean {
  const host = bare(hostname);
  const ownPort = port || (protocol === 'https:' ? '443' : '80');
  return list
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .some((entry) => {
      if (entry === '*') return true;
      // An IPv6 address contains colons; with a port it is in brackets.
      const [, bracketed, name, at] = /^(?:\[([^\]]*)\]|([^:]*|[^:]*:[^:]*:.*?))(?::(\d+))?$/.exec(entry) ?? [];
      const wanted = bare(bracketed ?? name ?? '').replace(/^\*?\./, '');
      return wanted !== '' && (at === undefined || at === ownPort) && (host === wanted || host.endsWith(`.${wanted}`));
    });
}

const bare = (host: string) =>
  host
    .toLowerCase()
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '');
