import * as fs from 'node:fs';
import * as path from 'node:path';
import type { RandomStream } from '../../data/random';
import { GrpcClient } from '../../infra/grpc/client';
import { FIXTURES, temporaryFolder } from '../../test/support/deltas';
import { type NatsCluster, startNatsCluster } from '../../test/support/nats-cluster';
import { freePorts } from '../../test/support/ports';
import { BUCKET, startS3 } from '../../test/support/s3';
import { endServices, type Name, Service } from '../../test/support/services';

/** Number of processes of each kind. */
export type Sizes = Record<Name, number>;

/** Process of a cluster. */
export interface Member {
  name: string;
  /** Ends the process with SIGKILL. */
  kill(): Promise<unknown>;
  /** Starts it again, on the same ports and state directory. */
  restart(): Promise<void>;
}

/** Three nats-servers, and processes of `hifi serve` with a state directory each. */
export interface Cluster {
  nats: NatsCluster;
  services: Record<Name, Service[]>;
  /** Client of each gateway. */
  gateways: GrpcClient[];
  members: Member[];
  /** Log of all services. */
  log(): string;
  stop(): Promise<void>;
}

/**
 * Starts a cluster on free ports of the loopback interface. Its processes share an S3 bucket.
 *
 * @param storeOf returns the address of a gateway's store; by default that of all nats-servers
 */
export async function startCluster(
  sizes: Sizes,
  storeOf: (gateway: number, nats: NatsCluster) => Promise<string> = async (_, { url }) => url,
): Promise<Cluster> {
  const root = temporaryFolder('cluster');
  const [nats, s3] = [await startNatsCluster(), await startS3()];
  const ports = {
    analyzer: await freePorts(sizes.analyzer),
    trainer: await freePorts(sizes.trainer),
    gateway: await freePorts(sizes.gateway),
  };
  const stores = await Promise.all(ports.gateway.map((_, i) => storeOf(i, nats)));
  const start = (name: Name, words: (i: number) => string[] = () => []) =>
    Promise.all(
      ports[name].map((port, i) =>
        Service.start(
          [
            ...[name, '--state-dir', path.join(root, `${name}-${i}`), `--${name}-port`, String(port)],
            ...['--artifacts', `s3://${BUCKET}/cluster`, '--data-root', FIXTURES, ...words(i)],
          ],
          { HIFI_LOG: 'warn', ...s3.env },
        ),
      ),
    );
  const [analyzer, trainer] = [await start('analyzer'), await start('trainer')];
  const addresses = (name: Name) => ports[name].map((port) => `127.0.0.1:${port}`).join();
  const peers = ['--analyzer', addresses('analyzer'), '--trainer', addresses('trainer')];
  const gateway = await start('gateway', (i) => ['--store', stores[i], ...peers]);
  const services = { gateway, analyzer, trainer };
  const members: Member[] = [
    ...nats.servers.map((server, i) => ({ ...server, name: `nats-server-${i}` })),
    ...Object.entries(services).flatMap(([name, each]) =>
      each.map((service, i) => ({
        name: `${name}-${i}`,
        kill: () => service.kill(),
        restart: () => service.restart(),
      })),
    ),
  ];
  const gateways = ports.gateway.map((port) => new GrpcClient(`127.0.0.1:${port}`));
  return {
    ...{ nats, services, gateways, members },
    log: () =>
      Object.values(services)
        .flat()
        .map(({ log }) => log)
        .join('\n'),
    async stop() {
      for (const client of gateways) client.close();
      await endServices();
      await Promise.all([nats.stop(), s3.stop()]);
      fs.rmSync(root, { recursive: true, force: true });
    },
  };
}

/** Draws one of some items. */
export const oneOf = <T>(random: RandomStream, items: readonly T[]): T => items[random.int(items.length)];
