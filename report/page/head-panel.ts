/// <reference lib="dom" />
import type { Page } from './page';

/** Shows one head: its numbers, its spectrum and its most correlated heads. */
export function headPanel(page: Page): void {
  const { data } = page;
  const panel = document.getElementById('head')!;
  const find = (name: string) => panel.querySelector(`[data-part="${name}"]`)!;
  const list = (name: string, entries: readonly (readonly [string, string])[]) => {
    find(name).replaceChildren(
      ...entries.flatMap(([term, value]) => {
        const [dt, dd] = [document.createElement('dt'), document.createElement('dd')];
        dt.textContent = term;
        dd.textContent = value;
        return [dt, dd];
      }),
    );
  };
  page.show = (layer, head) => {
    const node = layer * data.heads + head;
    find('name').textContent = `Head ${head} of layer ${layer}`;
    find('numbers').textContent = data.tips[node].replace(/^[^:]*: /, '');
    find('spectrum').innerHTML = page.spectrumChart({
      title: `Singular values of head ${head} of layer ${layer}`,
      shares: data.spectrum[node],
      xi: data.xi,
    });
    list(
      'xi',
      data.richnessByXi.map(([xi, richness]) => [`ξ = ${xi}`, richness[node].toFixed(2)]),
    );
    // Order of a layer's pairs: (0, 1), (0, 2) … (1, 2) …
    const partners: [head: number, r: number][] = [];
    let at = 0;
    for (let a = 0; a < data.heads; a++) {
      for (let b = a + 1; b < data.heads; b++) {
        const r = data.correlation[data.kind].layers[layer][at++];
        if (a === head) partners.push([b, r]);
        if (b === head) partners.push([a, r]);
      }
    }
    partners.sort((a, b) => b[1] - a[1]);
    list(
      'partners',
      partners.slice(0, 5).map(([other, r]) => [`head ${other}`, r.toPrecision(3)]),
    );
    for (const each of document.querySelectorAll('.chart .shown')) each.classList.remove('shown');
    for (const each of document.querySelectorAll(`.chart [data-head="${layer}.${head}"]`)) each.classList.add('shown');
    panel.dataset.head = `${layer}.${head}`;
  };
  for (const map of document.querySelectorAll('.chart.map')) page.rove(map, '[data-head]');
  page.show(...data.head);
}
