import * as fs from 'node:fs';
import * as path from 'node:path';
import { Inputs } from '../artifacts/inputs';
import { ArtifactStore } from '../artifacts/store';
import { artifactService } from '../gateway/artifact-service';
import { attempt } from '../gateway/attempt';
import { servedSpec } from '../gateway/job-spec';
import { Outbox } from '../gateway/outbox';
import { keepSweeping } from '../gateway/retention';
import { Scheduler } from '../gateway/scheduler';
import { gatewayService } from '../gateway/service';
import { JobStore } from '../gateway/store';
import { givenSpec } from '../gateway/stored-spec';
import type { GrpcClient } from '../infra/grpc/client';
import { LiveServer } from '../live/server';
import { ArtifactService } from '../proto/gen/hifi/v1/artifact_pb';
import { GatewayService } from '../proto/gen/hifi/v1/gateway_pb';
import { serviceServer } from './service-server';
import type { Served, ServePart } from './settings';

export interface ServeGateway extends ServePart {
  analyzer: GrpcClient;
  trainer: GrpcClient;
}

/** Serves jobs and artifacts; jobs that an earlier process was cut in go on. */
export async function serveGateway(settings: ServeGateway): Promise<Served> {
  const { stateDir, dataRoots, natsUrl, httpPort, host, guard, analyzer, trainer, socket } = settings;
  const { log, telemetry, server, start, end } = serviceServer('gateway', settings);
  const store = new JobStore(path.join(stateDir, 'jobs'), natsUrl !== undefined);
  const artifacts = new ArtifactStore(path.join(stateDir, 'artifacts'));
  const inputs = new Inputs({ store: artifacts, dataRoots, scratch: path.join(stateDir, 'scratch', 'gateway') });
  const seconds = telemetry.histogram('hifi.job.state.duration', 's', 'How long jobs were in each state');
  const specOf = async (stored: unknown) => servedSpec(await givenSpec(stored, artifacts));
  const parts = { store, seconds, artifacts, telemetry, analyzer, trainer, inputs, specOf, log };
  const scheduler = new Scheduler(store, (id, signal, heard) => attempt(id, parts, signal, heard), log);
  const outbox = natsUrl === undefined ? undefined : new Outbox(store, natsUrl, log);

  server.add(GatewayService, gatewayService({ store, artifacts, scheduler, analyzer, inputs }));
  server.add(ArtifactService, artifactService(artifacts, store));
  const stopSweeping = keepSweeping(store, artifacts, (error) => log.error({ err: error }, 'sweeping failed'));
  outbox?.start();
  const port = await start(socket);
  const live = httpPort === undefined ? undefined : new LiveServer({ store, artifacts, scheduler, log, guard });
  const pagePort = await live?.start(host, httpPort as number);
  scheduler.next();
  return {
    name: 'gateway',
    port,
    ...(pagePort !== undefined && { pagePort }),
    async stop() {
      stopSweeping();
      // Calls are answered while jobs are cut: who watches is told last.
      await scheduler.drain();
      await live?.stop();
      await end();
      await outbox?.stop();
      await store.close();
      fs.rmSync(socket, { force: true });
    },
  };
}
