import type { Graph } from '../draw/graph';
import type { Spectrum } from '../draw/spectrum';
import type { PageData } from '../page-data';

/**
 * State that the parts of a page's script share. `pageScript` assembles the script from the texts
 * of functions in this folder. So they use only their arguments and the browser's API, and import
 * only types.
 */
export interface Page {
  data: PageData;
  spectrumChart(spectrum: Spectrum): string;
  graphChart(graph: Graph): string;
  /** Shows a head in the panel and marks it in all charts; set by `headPanel`. */
  show?(layer: number, head: number): void;
  /** Lets the arrow keys move among the parts of an element; set by `rove`. */
  rove(root: Element, selector: string): void;
}
