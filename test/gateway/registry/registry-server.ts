import * as fs from 'node:fs';
import * as path from 'node:path';
import { writeDelta } from '../../../delta/delta';
import { artifactService } from '../../../gateway/artifact-service';
import { LmdbStore } from '../../../gateway/lmdb-store';
import { registryService } from '../../../gateway/registry/service';
import { FolderArtifacts } from '../../../infra/artifacts/folder-store';
import { Inputs } from '../../../infra/artifacts/inputs';
import { GrpcClient } from '../../../infra/grpc/client';
import { GrpcServer } from '../../../infra/grpc/server';
import { type Checkpoint, openCheckpoint } from '../../../model/checkpoint';
import { ArtifactService } from '../../../proto/gen/hifi/v1/artifact_pb';
import { RegistryService } from '../../../proto/gen/hifi/v1/registry_pb';
import { FIXTURES, randomDelta, temporaryFolder } from '../../support/deltas';

/** Registry and artifacts of a gateway on a real port, with deltas to register. */
export class RegistryServer {
  client!: GrpcClient;
  /** Number of GetDelta calls so far. */
  lookups = 0;
  readonly folder = temporaryFolder('registry');
  readonly store = new LmdbStore(path.join(this.folder, 'jobs'), false);
  readonly artifacts = new FolderArtifacts(path.join(this.folder, 'artifacts'));
  readonly inputs = new Inputs({
    store: this.artifacts,
    dataRoots: [],
    scratch: path.join(this.folder, 'scratch'),
  });
  private server!: GrpcServer;
  private port = 0;

  private constructor(readonly base: Checkpoint) {}

  static async start(): Promise<RegistryServer> {
    const server = new RegistryServer(await openCheckpoint(path.join(FIXTURES, 'tiny-bert')));
    await server.serve();
    server.client = new GrpcClient(`127.0.0.1:${server.port}`);
    return server;
  }

  /** Serves on its port, again after {@link end}. */
  async serve(): Promise<void> {
    this.server = new GrpcServer({ host: '127.0.0.1', port: this.port });
    const registry = registryService(this);
    this.server.add(RegistryService, {
      ...registry,
      getDelta: (request, call) => {
        this.lookups++;
        return registry.getDelta(request, call);
      },
    });
    this.server.add(ArtifactService, artifactService(this.artifacts, this.store));
    this.port = await this.server.start();
  }

  /** Ends the server, but neither its store nor its client. */
  async end(): Promise<void> {
    await this.server.drain(0);
  }

  async stop(): Promise<void> {
    this.client.close();
    await this.end();
    this.base.close();
    await this.store.close();
    fs.rmSync(this.folder, { recursive: true });
  }

  /** Writes a delta to a folder. @param scale makes it differ from others */
  deltaFolder(scale: number): string {
    const folder = path.join(this.folder, `delta-${scale}`);
    writeDelta(folder, randomDelta(this.base, { heads: [[0], [1]], labels: ['no', 'yes'], scale }));
    return folder;
  }

  /** Stores a delta. @returns SHA-256 of its files */
  async stored(scale: number): Promise<{ info: string; tensors: string }> {
    const folder = this.deltaFolder(scale);
    const [info, tensors] = await Promise.all(
      ['delta.json', 'delta.safetensors'].map((name) => this.artifacts.add(path.join(folder, name))),
    );
    return { info: info.sha256, tensors: tensors.sha256 };
  }

  /** Stores deltas and registers each as the next version of a name. */
  async register(name: string, ...scales: number[]): Promise<void> {
    for (const scale of scales) {
      const files = await this.stored(scale);
      await this.client.unary(RegistryService.method.registerDelta, { name, files });
    }
  }
}
