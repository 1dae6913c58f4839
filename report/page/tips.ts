/// <reference lib="dom" />
import type { Page } from './page';

/** Shows the text of a chart's part at the pointer or the focus. Escape hides it. */
export function tips({ data }: Page): void {
  const tip = document.createElement('div');
  tip.id = 'tip';
  tip.setAttribute('aria-hidden', 'true'); // A screen reader reads the part's own label.
  tip.hidden = true;
  document.body.append(tip);
  const source = (target: EventTarget | null) =>
    target instanceof Element ? target.closest('.chart [data-tip], .chart [data-head], .chart [data-at]') : null;
  const place = (x: number, y: number) => {
    const { width, height } = tip.getBoundingClientRect();
    const left = Math.max(8, Math.min(x + 14, document.documentElement.clientWidth - width - 8));
    const top = y + 18 + height > window.innerHeight ? y - height - 12 : y + 18;
    tip.style.transform = `translate(${Math.round(left)}px, ${Math.round(Math.max(4, top))}px)`;
  };
  /** Marks all parts of the same head or method. */
  const mark = (from: Element | null) => {
    for (const each of document.querySelectorAll('.chart .near')) each.classList.remove('near');
    for (const name of ['data-head', 'data-of']) {
      const value = from?.getAttribute(name);
      if (value === null || value === undefined) continue;
      for (const each of document.querySelectorAll(`.chart [${name}="${CSS.escape(value)}"]`))
        each.classList.add('near');
    }
  };
  const show = (from: Element, x: number, y: number) => {
    const [layer, head] = (from.getAttribute('data-head') ?? '').split('.').map(Number);
    tip.textContent =
      from.getAttribute('data-tip') ??
      (from.hasAttribute('data-head') ? data.tips[layer * data.heads + head] : from.getAttribute('aria-label'));
    tip.hidden = false;
    place(x, y);
    mark(from);
  };
  const hide = () => {
    tip.hidden = true;
    mark(null);
  };
  document.addEventListener('pointermove', (event) => {
    const from = source(event.target);
    if (from) show(from, event.clientX, event.clientY);
    else if (!source(document.activeElement)) hide();
  });
  document.addEventListener('pointerleave', hide);
  document.addEventListener('focusin', (event) => {
    const from = source(event.target);
    if (!from) return hide();
    const { right, bottom } = from.getBoundingClientRect();
    show(from, right - 10, bottom - 12);
  });
  document.addEventListener('focusout', hide);
  document.addEventListener('keydown', ({ key }) => {
    if (key === 'Escape') hide();
  });
}
