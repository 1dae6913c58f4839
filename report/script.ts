import { graphChart } from './draw/graph';
import { spectrumChart } from './draw/spectrum';
import { copying } from './page/copying';
import { graphPanel } from './page/graph-panel';
import { headPanel } from './page/head-panel';
import { rove } from './page/rove';
import { tips } from './page/tips';

/** The parts of the script, in the order they run. */
const PARTS = [rove, tips, headPanel, graphPanel, copying];

/**
 * The page's script: the texts of the functions themselves, so that what draws here draws there and no bundle has to be built.
 * It marks the page as ready when all is drawn.
 */
export const SCRIPT = `(() => {
'use strict';
const page = { data: JSON.parse(document.getElementById('data').textContent), spectrumChart: ${spectrumChart}, graphChart: ${graphChart} };
for (const part of [${PARTS.join(',\n')}]) part(page);
document.documentElement.dataset.ready = 'yes';
performance.mark('ready');
})();`;
