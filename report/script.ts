import { graphChart } from './draw/graph';
import { spectrumChart } from './draw/spectrum';
import { graphPanel } from './page/graph-panel';
import { headPanel } from './page/head-panel';
import { pageScript } from './page-script';

/** The script of a run's or an analysis' page. */
export const SCRIPT = pageScript([headPanel, graphPanel], { spectrumChart, graphChart });
