import { answerSupervisor } from '../infra/service/service-child';
import type { ServedName } from '../infra/service/settings';
import { loadService, serve } from './services';

// A service in a process of its own, for `hifi serve all`. It loads before it has its settings.
answerSupervisor(serve);
loadService(process.argv[2] as ServedName);
