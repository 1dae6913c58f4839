/// <reference lib="dom" />
import type { Page } from './page';

/**
 * Makes a group of cells or nodes one stop of the tab key. Arrow keys, Home and End move in it;
 * Enter and Space choose.
 */
export function rove(page: Page): void {
  page.rove = (root, selector) => {
    const all = () => [...root.querySelectorAll<SVGElement>(selector)];
    const place = (element: Element) => {
      const at = element.getAttribute('data-head') ?? element.getAttribute('data-at')!;
      const [layer, head] = at.split('.').map(Number);
      return { layer, head };
    };
    const focus = (target: SVGElement | undefined) => {
      if (!target) return;
      for (const each of all()) each.setAttribute('tabindex', each === target ? '0' : '-1');
      target.focus({ preventScroll: false });
    };
    /** Shows a head; other cells have nothing to show. */
    const choose = (cell: Element) => {
      if (cell.hasAttribute('data-head')) page.show?.(place(cell).layer, place(cell).head);
    };
    all()[0]?.setAttribute('tabindex', '0');
    root.addEventListener('keydown', (event) => {
      const { key, ctrlKey } = event as KeyboardEvent;
      const from = (event.target as Element).closest<SVGElement>(selector);
      if (!from) return;
      const { layer, head } = place(from);
      const parts = all();
      const ring = new Set(parts.map((each) => place(each).layer)).size === 1;
      const at = (l: number, h: number) => parts.find((each) => place(each).layer === l && place(each).head === h);
      const row = parts.filter((each) => place(each).layer === layer);
      const index = row.indexOf(from);
      const moves: Record<string, () => SVGElement | undefined> = {
        ArrowRight: () => row[index + 1] ?? (ring ? row[0] : undefined),
        ArrowLeft: () => row[index - 1] ?? (ring ? row.at(-1) : undefined),
        ArrowDown: () => (ring ? (row[index + 1] ?? row[0]) : at(layer + 1, head)),
        ArrowUp: () => (ring ? (row[index - 1] ?? row.at(-1)) : at(layer - 1, head)),
        Home: () => (ctrlKey ? parts[0] : row[0]),
        End: () => (ctrlKey ? parts.at(-1) : row.at(-1)),
      };
      if (key === 'Enter' || key === ' ') choose(from);
      else if (key in moves) focus(moves[key]());
      else return;
      event.preventDefault();
    });
    root.addEventListener('click', (event) => {
      const cell = (event.target as Element).closest<SVGElement>(selector);
      if (!cell) return;
      for (const each of all()) each.setAttribute('tabindex', each === cell ? '0' : '-1');
      choose(cell);
    });
  };
}
