import * as path from 'node:path';
import { treeResidentBytes } from '../foundation/process-memory';
import { Admission } from '../infra/admission';
import { keepCacheSwept } from '../infra/artifacts/cache-sweep';
import type { Parts } from '../infra/parts';
import { ENGINE_PROCESS, IDLE_MS } from '../infra/service/engine-process';
import { serviceFiles } from '../infra/service/service-files';
import { serviceServer } from '../infra/service/service-server';
import type { Served, ServePart } from '../infra/service/settings';
import { engineSpans } from '../infra/telemetry/engine-spans';
import { ModelDescriptions } from '../model/description';
import { TrainerService } from '../proto/gen/hifi/v1/trainer_pb';
import { PrefixFolder } from './prefix-file';
import { Runs } from './runs';
import { trainerService } from './service';
import {
  calibrateTraining,
  evaluate,
  exportModel,
  predict,
  scoreHeads,
  type TrainerProcess,
  train,
  trainerEngine,
} from './training-engine';
import { WindowsFile } from './windows-file';

/**
 * Serves trainings and tuned models. One engine process stays for the next call on the same base;
 * its memory is freed before a call on another one, and after a while.
 */
export async function serveTrainer(settings: ServePart, parts: Parts): Promise<Served> {
  const { log, telemetry, server, start } = serviceServer(settings, parts);
  const { inputs, results, runs: shared, stopSweeping } = await serviceFiles(settings, log);
  parts.add(stopSweeping);
  const { engineProcess = ENGINE_PROCESS } = settings;
  const engine = trainerEngine({ ...engineProcess, idleMs: IDLE_MS });
  parts.add(() => engine.close());
  const warm: TrainerProcess = { ...engineProcess, engine };
  const memory = () => treeResidentBytes();
  const prefixes = path.join(settings.stateDir, 'prefixes');
  const failed = (error: unknown) => log.error({ err: error }, 'sweeping failed');
  parts.add(keepCacheSwept(new PrefixFolder(prefixes), () => true, failed));
  const runs = new Runs({
    folder: path.join(settings.stateDir, 'runs'),
    prefixes,
    results,
    ...(shared && { shared }),
    log,
    train: (request, signal) => {
      const file = new WindowsFile(request.out);
      const onWindow = telemetry.on ? file.write.bind(file) : undefined;
      return engineSpans(telemetry, train(request, signal, warm), { memory, before: file.read(), onWindow });
    },
  });
  server.add(
    TrainerService,
    trainerService({
      engine: {
        scoreHeads: (request, signal) => engineSpans(telemetry, scoreHeads(request, signal, warm)),
        calibrateTraining: (request, signal) => calibrateTraining(request, signal, engineProcess),
        evaluate: (request, signal) => engineSpans(telemetry, evaluate(request, signal, warm)),
        predict: (request, signal) => engineSpans(telemetry, predict(request, signal, warm)),
        exportModel: (request, signal) => engineSpans(telemetry, exportModel(request, signal, warm)),
      },
      runs,
      inputs,
      results,
      models: new ModelDescriptions(),
      admission: new Admission(),
    }),
  );
  return { name: 'trainer', port: await start() };
}
