import type { Graph } from '../draw/graph';
import type { Spectrum } from '../draw/spectrum';
import type { PageData } from '../page-data';

/**
 * What the parts of a page's script share. The script is put together from the texts of functions of this folder (`pageScript`): they use
 * nothing but their arguments and what browsers have, and import types alone.
 */
export interface Page {
  data: PageData;
  spectrumChart(spectrum: Spectrum): string;
  graphChart(graph: Graph): string;
  /** Shows a head in the panel, and marks it in all charts; set by `headPanel`. */
  show?(layer: number, head: number): void;
  /** Lets the arrow keys move among an element's parts; set by `rove`. */
  rove(root: Element, selector: string): void;
}
