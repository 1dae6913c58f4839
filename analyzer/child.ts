import { serveEngine } from '../infra/engine-child';
import { analyze, analyzeShard } from './pipeline';

serveEngine({ analyze, analyzeShard });
