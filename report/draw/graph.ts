/** Heads as nodes, correlations as edges. */
export interface Graph {
  title: string;
  layers: number;
  heads: number;
  /** Layer to draw; null: all layers. */
  layer: number | null;
  /** Pairs of head numbers layer·H + head: all of a layer, or the strongest of the model. */
  edges: readonly (readonly [a: number, b: number, r: number])[];
  /** PageRank of each head, [L·H]. */
  pagerank: readonly number[];
  /** Numbers of outlined heads. */
  chosen: readonly number[];
  /** Text about each head, by head number. */
  tips: readonly string[];
}

/**
 * Draws a layer's heads in a circle, or the model's heads in the places of the heat maps. Stronger
 * edges are wider and darker, heads of higher PageRank larger. The page runs this text, too, so it
 * uses only its argument.
 */
export function graphChart({ title, layers, heads, layer, edges, pagerank, chosen, tips }: Graph): string {
  const fixed = (value: number) => Number(value.toFixed(1));
  const ring = layer !== null;
  const nodes: number[] = [];
  for (let i = 0; i < (ring ? heads : layers * heads); i++) nodes.push(ring ? layer * heads + i : i);
  const gap = Math.max(24, Math.min(44, Math.floor(640 / heads)));
  const radius = Math.max(150, heads * 7.5);
  const width = ring ? 2 * radius + 80 : heads * gap + 60;
  const height = ring ? 2 * radius + 80 : layers * 34 + 56;
  const place = (node: number): [number, number] => {
    const [row, column] = [Math.floor(node / heads), node % heads];
    if (!ring) return [44 + (column + 0.5) * gap, 36 + (row + 0.5) * 34];
    const angle = (2 * Math.PI * column) / heads - Math.PI / 2;
    return [fixed(width / 2 + radius * Math.cos(angle)), fixed(height / 2 + radius * Math.sin(angle))];
  };
  const values = edges.map(([, , r]) => r);
  const least = Math.min(...values);
  const span = Math.max(...values) - least || 1;
  const name = (node: number) => `head ${node % heads} of layer ${Math.floor(node / heads)}`;
  // The strongest edges come last, so they are on top.
  const lines = [...edges]
    .sort((a, b) => a[2] - b[2])
    .map(([a, b, r]) => {
      const strength = (r - least) / span;
      const [[x1, y1], [x2, y2]] = [place(a), place(b)];
      // Between the places of the maps, a straight line would run through other heads, so it bends.
      const bend = ring ? 0 : 0.14 * Math.hypot(x2 - x1, y2 - y1) + 4;
      const length = Math.hypot(x2 - x1, y2 - y1) || 1;
      const [cx, cy] = [(x1 + x2) / 2 - ((y2 - y1) / length) * bend, (y1 + y2) / 2 + ((x2 - x1) / length) * bend];
      const shape = ring ? `L${x2} ${y2}` : `Q${fixed(cx)} ${fixed(cy)} ${x2} ${y2}`;
      const [wide, dark] = ring
        ? [0.5 + 4.5 * strength ** 1.5, 0.1 + 0.8 * strength ** 1.5]
        : [0.8 + 2 * strength, 0.25 + 0.6 * strength];
      return `<path class="edge" d="M${x1} ${y1}${shape}" stroke-width="${wide.toFixed(2)}" opacity="${dark.toFixed(2)}" data-ends="${a} ${b}" data-tip="${name(a)} and ${name(b)}: ${r.toPrecision(3)}"/>`;
    });
  const highest = Math.max(...nodes.map((node) => pagerank[node])) || 1;
  const [small, large] = ring ? [8, 22] : [3, 10];
  const points = nodes.map((node) => {
    const [x, y] = place(node);
    // PageRank sums to 1; it determines the area.
    const size = small + (large - small) * Math.sqrt(pagerank[node] / highest);
    const label = ring ? `<text class="middle" x="${x}" y="${y + 4}">${node % heads}</text>` : '';
    const look = chosen.includes(node) ? 'node chosen' : 'node';
    return `<g class="${look}" role="button" tabindex="-1" data-node="${node}" data-head="${Math.floor(node / heads)}.${node % heads}" aria-label="${tips[node]}"><circle cx="${x}" cy="${y}" r="${size.toFixed(1)}"/>${label}</g>`;
  });
  const axes: string[] = [];
  if (!ring) {
    for (let i = 0; i < heads; i++) {
      axes.push(`<text class="quiet middle" x="${44 + (i + 0.5) * gap}" y="26">${i}</text>`);
    }
    for (let i = 0; i < layers; i++) {
      axes.push(`<text class="quiet end" x="36" y="${36 + (i + 0.5) * 34 + 4}">${i}</text>`);
    }
    axes.push('<text class="quiet" x="44" y="11">head →</text><text class="quiet" x="0" y="26">layer ↓</text>');
  }
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" class="chart graph" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="group" aria-label="${title}">` +
    `<g aria-hidden="true">${axes.join('')}</g>${lines.join('')}${points.join('')}</svg>`
  );
}
