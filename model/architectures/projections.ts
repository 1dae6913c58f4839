import type { LinearModule, Operations } from '../operations';

/**
 * Queries, keys and values of a layer, by its projections in this order.
 *
 * @param apart whether each projection is a product of its own
 */
export function projections<V>(
  net: Operations<V>,
  { x, asking, apart = false }: { x: V; asking: V; apart?: boolean },
  [query, ...others]: readonly LinearModule[],
): V[] {
  const by = (input: V, modules: readonly LinearModule[]) =>
    apart
      ? modules.map(({ module, ...options }) => net.linear(input, module, options))
      : net.linearTogether(input, modules);
  return asking === x ? by(x, [query, ...others]) : [...by(asking, [query]), ...by(x, others)];
}
