import { graphChart } from './draw/graph';
import { spectrumChart } from './draw/spectrum';
import { charts } from './page/charts';
import { graphPanel } from './page/graph-panel';
import { headPanel } from './page/head-panel';
import { pageScript } from './page-script';

/** Script of the page of a run or an analysis. */
export const SCRIPT = pageScript([headPanel, graphPanel, charts], { spectrumChart, graphChart });
