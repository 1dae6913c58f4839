import { invalidInput } from '../../foundation/errors';
import { isExcepted } from '../../foundation/no-proxy';

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
export function httpProxyFor(url: URL, environment: NodeJS.ProcessEnv = process.env): HttpProxy | undefined {
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
