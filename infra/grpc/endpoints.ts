import * as dns from 'node:dns/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { grpcProxyFor } from './proxy';
import { isName, parseTarget } from './targets';

/** Address of one process of a service. */
export interface Endpoint {
  /** `HOST:PORT` with the host's IP address, or `unix:PATH`. */
  address: string;
  /** Name that was resolved to the address. */
  serverName?: string;
}

/** Time between two look-ups of a name, in milliseconds: a new pod gets work after it. */
const RESOLVE_MS = 5000;

/**
 * Yields the processes behind some targets, again whenever they change. A target whose name cannot
 * be resolved keeps its earlier addresses.
 *
 * @param targets as `parseTarget` reads them
 * @param signal ends the look-ups
 */
export async function* endpointsOf(targets: readonly string[], signal: AbortSignal): AsyncGenerator<Endpoint[]> {
  const known = new Map<string, Endpoint[]>();
  let before: string | undefined;
  while (!signal.aborted) {
    await Promise.all(targets.map(async (target) => known.set(target, await resolved(target, known.get(target)))));
    const found = new Map([...known.values()].flat().map((endpoint) => [endpoint.address, endpoint]));
    const now = [...found.keys()].join();
    if (now !== before) yield [...found.values()];
    before = now;
    if (!targets.some(isLookedUp)) return;
    await delay(RESOLVE_MS, undefined, { signal, ref: false }).catch(() => {});
  }
}

/** Returns true if a look-up tells a target's addresses. A proxy resolves names itself. */
const isLookedUp = (target: string) => isName(parseTarget(target)?.host) && grpcProxyFor(target) === undefined;

async function resolved(target: string, before: Endpoint[] | undefined): Promise<Endpoint[]> {
  const { host, port } = parseTarget(target) ?? {};
  // A connection reports what is wrong with an address that cannot be resolved.
  const unresolved = before ?? [{ address: target }];
  if (!isLookedUp(target)) return unresolved;
  try {
    const all = await dns.lookup(host as string, { all: true });
    // Addresses of both families lead to the same processes.
    const v4 = all.filter(({ family }) => family === 4);
    return (v4.length > 0 ? v4 : all)
      .map(({ address, family }) => `${family === 6 ? `[${address}]` : address}:${port}`)
      .sort()
      .map((address) => ({ address, serverName: host }));
  } catch {
    return unresolved;
  }
}
