import * as path from 'node:path';
import { Inputs } from '../infra/artifacts/inputs';
import { openArtifacts } from '../infra/artifacts/open';
import { Workers } from '../infra/grpc/workers';
import { classifyOverHttp } from '../infra/http/classify';
import type { Parts } from '../infra/parts';
import { ENGINE_PROCESS } from '../infra/service/engine-process';
import { serviceServer } from '../infra/service/service-server';
import type { Served, ServePart } from '../infra/service/settings';
import { ArtifactService } from '../proto/gen/hifi/v1/artifact_pb';
import { GatewayService } from '../proto/gen/hifi/v1/gateway_pb';
import { InferenceService } from '../proto/gen/hifi/v1/inference_pb';
import { RegistryService } from '../proto/gen/hifi/v1/registry_pb';
import { artifactService } from './artifact-service';
import { attempt } from './attempt';
import { servedSpec } from './job-spec';
import { LiveServer } from './live/server';
import { openStore } from './open-store';
import { registryService } from './registry/service';
import { keepSweeping } from './retention';
import { SCHEDULER_DEFAULTS, Scheduler, SHARED_WAITING } from './scheduler';
import { gatewayService } from './service';
import { givenSpec } from './stored-spec';

/** Serves jobs and artifacts, and resumes the jobs that an earlier process left unfinished. */
export async function serveGateway(settings: ServePart, parts: Parts): Promise<Served> {
  const { stateDir, dataRoots, httpPort, host, guard, peers, credentials } = settings;
  const { engineProcess = ENGINE_PROCESS } = settings;
  const { log, telemetry, server, interceptor, start } = serviceServer(settings, parts);
  const { store, outbox } = await openStore(settings, log);
  parts.add(() => store.close());
  const workers = (name: 'analyzer' | 'trainer') => {
    const found = new Workers(name, peers[name], credentials, log);
    parts.add(() => found.close());
    return found;
  };
  const [analyzer, trainer] = [workers('analyzer'), workers('trainer')];
  const { store: artifacts, runs } = await openArtifacts(settings, log);
  const inputs = new Inputs({ store: artifacts, dataRoots, scratch: path.join(stateDir, 'scratch', 'gateway') });
  const seconds = telemetry.histogram('hifi.job.state.duration', 's', 'Time that jobs were in each state');
  const specOf = async (stored: unknown) => servedSpec(await givenSpec(stored, artifacts));
  const attemptParts = {
    store,
    seconds,
    artifacts,
    telemetry,
    analyzer,
    trainer,
    inputs,
    engineProcess,
    specOf,
    log,
  };
  const limits = {
    ...SCHEDULER_DEFAULTS,
    ...(store.shared && { waiting: SHARED_WAITING }),
    ...(settings.awayMs !== undefined && { awayMs: settings.awayMs }),
  };
  const cleanUp = async (id: string) => {
    // If this fails, a sweep does it.
    await runs?.remove(id).catch((error) => log.warn({ job: id, err: error }, 'checkpoints could not be removed'));
  };
  const scheduler = new Scheduler(
    store,
    (claim, ...rest) => attempt(claim, attemptParts, ...rest),
    log,
    limits,
    trainer,
    cleanUp,
  );
  const classify = classifyOverHttp(
    (request, { signal }) => analyzer.unary(InferenceService.method.classify, request, { signal }),
    interceptor,
    guard,
  );
  const live =
    httpPort === undefined ? undefined : new LiveServer({ store, artifacts, scheduler, log, guard, classify });

  server.add(GatewayService, gatewayService({ store, artifacts, scheduler, analyzer, trainer, inputs }));
  server.add(RegistryService, registryService({ store, artifacts, inputs }));
  server.add(ArtifactService, artifactService(artifacts, store));
  // Publishing, sweeping and resuming start only when this process has both ports. At the end the
  // jobs stop first, while calls are still answered, so that watchers see it. Then the servers
  // stop, then the outbox.
  parts.add(() => outbox?.stop());
  const port = await start();
  parts.add(() => live?.stop());
  // A job may arrive as soon as the port is bound.
  parts.add(() => scheduler.drain());
  const bound = await live?.start(host, httpPort as number);
  outbox?.start();
  parts.add(keepSweeping({ store, artifacts, runs }, (error) => log.error({ err: error }, 'sweeping failed')));
  scheduler.start();
  return { name: 'gateway', port, ...(bound !== undefined && { httpPort: bound }) };
}
