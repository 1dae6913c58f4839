import { ClassifyEngine } from '../inference/classify-engine';
import { DeltaNames } from '../inference/delta-names';
import { OpenedDeltas } from '../inference/opened-deltas';
import { inferenceService } from '../inference/service';
import { Admission } from '../infra/admission';
import { classifyOverHttp } from '../infra/http/classify';
import { serveClassify } from '../infra/http/classify-server';
import type { Parts } from '../infra/parts';
import { ENGINE_PROCESS, IDLE_MS } from '../infra/service/engine-process';
import { serviceFiles } from '../infra/service/service-files';
import { serviceServer } from '../infra/service/service-server';
import type { Served, ServePart } from '../infra/service/settings';
import { engineSpans } from '../infra/telemetry/engine-spans';
import { ModelDescriptions } from '../model/description';
import { AnalyzerService } from '../proto/gen/hifi/v1/analyzer_pb';
import { InferenceService } from '../proto/gen/hifi/v1/inference_pb';
import { AnalyzerEngine, calibrateAnalysis } from './analysis-engine';
import { analyzerService } from './service';

/**
 * Serves analyses, and answers of tuned models. What the last calls used stays loaded for a while.
 */
export async function serveAnalyzer(settings: ServePart, parts: Parts): Promise<Served> {
  const { log, telemetry, server, interceptor, start } = serviceServer(settings, parts);
  const { inputs, stopSweeping } = await serviceFiles(settings, log);
  parts.add(stopSweeping);
  const { engineProcess = ENGINE_PROCESS } = settings;
  const engine = new AnalyzerEngine({ ...engineProcess, idleMs: IDLE_MS });
  parts.add(() => engine.close());
  server.add(
    AnalyzerService,
    analyzerService({
      engine: {
        analyze: (request, signal) => engineSpans(telemetry, engine.analyze(request, signal)),
        analyzeShard: (request, signal) => engineSpans(telemetry, engine.analyzeShard(request, signal)),
        merge: (shards, signal) => engineSpans(telemetry, engine.merge(shards, signal)),
      },
      calibrate: (request, signal) => calibrateAnalysis(request, signal, engineProcess),
      inputs,
      models: new ModelDescriptions(),
      admission: new Admission(),
    }),
  );
  const answering = new ClassifyEngine({ ...engineProcess, nice: 0, limits: settings.warmMemory });
  const deltas = new OpenedDeltas(inputs);
  parts.add(() => deltas.close());
  parts.add(() => answering.close());
  const names = settings.registry && new DeltaNames(settings.registry);
  const inference = inferenceService({ engine: answering, inputs, deltas, names });
  server.add(InferenceService, inference);
  const port = await start();
  const { httpPort, guard } = settings;
  if (httpPort === undefined) return { name: 'analyzer', port };
  const classify = classifyOverHttp(inference.classify, interceptor, guard);
  return { name: 'analyzer', port, httpPort: await serveClassify(settings, httpPort, classify, parts) };
}
