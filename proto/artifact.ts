import { create } from '@bufbuild/protobuf';
import type { Artifact } from '../foundation/stored-file';
import { type Artifact as ArtifactMessage, ArtifactSchema } from './gen/hifi/v1/artifact_pb';

export const artifactMessage = ({ name, sha256, sizeBytes }: Artifact): ArtifactMessage =>
  create(ArtifactSchema, { name, sha256, sizeBytes: BigInt(sizeBytes) });

export const artifactOf = ({ name, sha256, sizeBytes }: ArtifactMessage): Artifact => ({
  name,
  sha256,
  sizeBytes: Number(sizeBytes),
});
