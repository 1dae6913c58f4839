import { serveEngine } from '../infra/engine';
import { analyze, analyzeShard } from './pipeline';

serveEngine({ analyze, analyzeShard });
