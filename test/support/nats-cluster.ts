import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { type NatsServer, startNats } from './nats';
import { freePorts } from './ports';
import { until } from './until';

/** Three nats-servers on the loopback interface, with JetStream and `sync_interval: always`. */
export interface NatsCluster {
  servers: NatsServer[];
  /** Address of all servers, with commas. */
  url: string;
  stop(): Promise<void>;
}

/** Time until three new servers have a leader on a busy machine, in milliseconds. */
const FORM_MS = 60_000;

/** Starts a cluster. Settles once a stream can have three replicas. */
export async function startNatsCluster(): Promise<NatsCluster> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-nats-cluster-'));
  const routes = await freePorts(3);
  const servers = await Promise.all(
    routes.map((port, i) => {
      const jetstream = `{ store_dir: ${JSON.stringify(path.join(folder, String(i)))}, sync_interval: always }`;
      const others = routes.map((each) => `nats://127.0.0.1:${each}`).join(', ');
      const cluster = `{ name: hifi, listen: "127.0.0.1:${port}", routes: [${others}] }`;
      const config = `server_name: server-${i}\njetstream ${jetstream}\ncluster ${cluster}\n`;
      return startNats({ jetstream: false, config });
    }),
  );
  const url = servers.map((server) => server.url).join();
  await until(() => placesThreeReplicas(url), Boolean, 'the cluster to form', FORM_MS);
  return {
    servers,
    url,
    async stop() {
      await Promise.all(servers.map((server) => server.stop()));
      fs.rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function placesThreeReplicas(url: string): Promise<boolean> {
  const nc = await connect({ servers: url.split(','), reconnect: false });
  try {
    const { streams } = await jetstreamManager(nc);
    await streams.add({ name: 'PROBE', subjects: ['probe'], num_replicas: 3 });
    return await streams.delete('PROBE');
  } finally {
    await nc.close();
  }
}
