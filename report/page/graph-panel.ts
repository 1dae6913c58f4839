/// <reference lib="dom" />
import type { Pair } from '../correlated-pairs';
import type { Page } from './page';

/** Draws the graph of the chosen layer and correlation, and lists its strongest pairs. */
export function graphPanel(page: Page): void {
  const { data } = page;
  const form = document.querySelector<HTMLFormElement>('#graph-of');
  const chart = document.getElementById('graph');
  if (!form || !chart) return;
  const body = document.querySelector('#pairs tbody')!;
  const draw = () => {
    const fields = new FormData(form);
    const kind = fields.get('kind') === 'covariance' ? 'covariance' : 'pearson';
    const layer = fields.get('layer') === 'model' ? null : Number(fields.get('layer'));
    const pairs: Pair[] = [];
    if (layer === null) pairs.push(...data.correlation[kind].model);
    else {
      let at = 0;
      for (let a = 0; a < data.heads; a++) {
        for (let b = a + 1; b < data.heads; b++) {
          pairs.push([layer * data.heads + a, layer * data.heads + b, data.correlation[kind].layers[layer][at++]]);
        }
      }
    }
    const where = layer === null ? "the model's heads" : `the heads of layer ${layer}`;
    chart.innerHTML = page.graphChart({
      title: `Correlation of ${where}, ${kind}`,
      layers: data.layers,
      heads: data.heads,
      layer,
      edges: pairs,
      pagerank: data.pagerank,
      chosen: data.chosen,
      tips: data.tips,
    });
    const all = pairs.length;
    const drawn = layer === null ? `The ${all} strongest correlations of ${where}` : `All ${all} pairs of ${where}`;
    document.getElementById('graph-caption')!.textContent =
      `${drawn}, ${kind}. Wider: stronger. Larger: higher PageRank.`;
    const name = (node: number) =>
      layer === null ? `${Math.floor(node / data.heads)}.${node % data.heads}` : String(node % data.heads);
    document.querySelector('#pairs caption')!.textContent =
      layer === null ? 'Strongest pairs (layer.head)' : 'Strongest pairs';
    const strongest = [...pairs].sort((a, b) => b[2] - a[2]).slice(0, 10);
    body.replaceChildren(
      ...strongest.map(([a, b, r]) => {
        const row = document.createElement('tr');
        for (const text of [name(a), name(b), r.toPrecision(3)]) {
          const cell = document.createElement('td');
          cell.textContent = text;
          row.append(cell);
        }
        return row;
      }),
    );
    page.rove(chart.querySelector('svg')!, '[data-node]');
    document
      .querySelector(`#graph [data-head="${document.getElementById('head')!.dataset.head}"]`)
      ?.classList.add('shown');
    for (const line of document.querySelectorAll('#convergence .curve')) line.classList.remove('near');
    if (layer !== null) document.querySelectorAll('#convergence .curve')[layer]?.classList.add('near');
  };
  // Pointing at a node highlights its edges.
  const light = (target: EventTarget | null) => {
    const node = target instanceof Element ? target.closest('[data-node]')?.getAttribute('data-node') : undefined;
    chart.classList.toggle('lit', node !== undefined && node !== null);
    for (const edge of chart.querySelectorAll('.edge')) {
      edge.classList.toggle(
        'of',
        edge
          .getAttribute('data-ends')!
          .split(' ')
          .includes(node ?? ''),
      );
    }
  };
  chart.addEventListener('pointerover', ({ target }) => light(target));
  chart.addEventListener('pointerleave', () => light(null));
  chart.addEventListener('focusin', ({ target }) => light(target));
  chart.addEventListener('focusout', () => light(null));
  form.addEventListener('change', draw);
  draw();
}
