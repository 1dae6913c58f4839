import * as fs from 'node:fs';
import * as path from 'node:path';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Command } from 'commander';
import { DELTA_INFO, DELTA_TENSORS, readDelta } from '../delta/delta';
import { failed } from '../foundation/errors';
import { sha256OfFile } from '../foundation/hash';
import { uploadFile } from '../infra/artifacts/transfer';
import type { GrpcClient } from '../infra/grpc/client';
import { readHeads, readMetrics } from '../job/files';
import type { DeltaVersion, RegisterDeltaRequestSchema } from '../proto/gen/hifi/v1/registry_pb';
import { wholeNumber } from './flag-values';
import type { Flags } from './flags';
import { addGatewayCommand, type GatewayAction } from './gateway-flags';
import { createdText } from './jobs';
import { metricText, printJson, table, writeLines } from './output';

export function define(command: Command): void {
  const on = (words: string, what: string, action: GatewayAction) => addGatewayCommand(command, words, what, action);
  on('add <name> <delta>', "upload a delta's folder and register it as the name's next version", register);
  on('list', 'list the versions of all names', list);
  on('show <name>', 'show a version and its files: NAME (the newest), NAME@ALIAS or NAME:VERSION', showVersion);
  on('promote <name> <version> <alias>', 'point an alias, such as prod, to a version', promote);
  on('rollback <name> <alias>', 'point an alias to the version that it had before', rollback);
  on('remove <name>', 'delete a version (NAME:VERSION), all versions (NAME) or an alias (NAME@ALIAS)', remove);
}

/** Loads the services' schemas, which only these commands need. */
const wire = () => ({
  ...(require('../proto/gen/hifi/v1/registry_pb') as typeof import('../proto/gen/hifi/v1/registry_pb')),
  ...(require('@bufbuild/protobuf') as typeof import('@bufbuild/protobuf')),
});

/** Largest page of a list. */
const PAGE = 1000;

async function register(client: GrpcClient, flags: Flags, name: string, folder: string): Promise<void> {
  readDelta(folder);
  const [info, tensors] = await Promise.all([DELTA_INFO, DELTA_TENSORS].map((file) => uploaded(client, folder, file)));
  const request = { name, files: { info, tensors }, ...resultsBeside(folder) };
  const newest = await newestVersion(client, name);
  const { delta } = await client.unary(wire().RegistryService.method.registerDelta, request);
  if (newest !== undefined && newest === delta?.version) {
    process.stderr.write(`nothing was added: ${name}:${newest} has the same files\n`);
  }
  await printVersion(flags, delta);
}

/** Returns the number of a name's newest version; undefined for a name without versions. */
async function newestVersion(client: GrpcClient, reference: string): Promise<number | undefined> {
  const { RpcError, status } = require('../proto/status') as typeof import('../proto/status');
  try {
    return (await client.unary(wire().RegistryService.method.getDelta, { reference })).delta?.version;
  } catch (thrown) {
    if (thrown instanceof RpcError && thrown.code === status.NOT_FOUND) return undefined;
    throw thrown;
  }
}

async function uploaded(client: GrpcClient, folder: string, name: string): Promise<string> {
  const file = path.join(folder, name);
  const sha256 = await sha256OfFile(file);
  await uploadFile(client, file, { sha256, sizeBytes: fs.statSync(file).size });
  return sha256;
}

/** Reads what the folder of `hifi run` or `hifi train` has beside its `delta/`. */
function resultsBeside(
  folder: string,
): Pick<MessageInitShape<typeof RegisterDeltaRequestSchema>, 'metric' | 'metricValue' | 'dataSha256'> {
  const resolved = path.resolve(folder);
  const fileOf = (name: string) => path.join(path.dirname(resolved), name);
  const has = (name: string) => path.basename(resolved) === 'delta' && fs.existsSync(fileOf(name));
  const metrics = has('metrics.json') ? readMetrics(fileOf('metrics.json')) : undefined;
  return {
    ...(metrics && { metric: metrics.metric, metricValue: metrics.best.value }),
    ...(has('heads.json') && { dataSha256: readHeads(fileOf('heads.json')).data.sha256 }),
  };
}

async function list(client: GrpcClient, flags: Flags): Promise<void> {
  const deltas = await versionsOf(client);
  writeLines(deltas.length === 0 ? ['no deltas are registered'] : versionTable(deltas));
  if (flags.json) await printJson({ deltas: deltas.map(json) });
}

async function showVersion(client: GrpcClient, flags: Flags, reference: string): Promise<void> {
  const { delta } = await client.unary(wire().RegistryService.method.getDelta, { reference });
  const found = given(delta);
  const versions = reference === found.name ? await versionsOf(client, found.name) : [found];
  writeLines(detailsOf(found));
  if (versions.length > 1) writeLines(['', ...versionTable(versions)]);
  if (flags.json) await printJson({ name: found.name, versions: versions.map(json) });
}

async function promote(client: GrpcClient, flags: Flags, name: string, text: string, alias: string): Promise<void> {
  const version = wholeNumber('the version', 1)(text);
  const request = { name, alias, change: { case: 'version' as const, value: version } };
  await printVersion(flags, (await client.unary(wire().RegistryService.method.setAlias, request)).delta);
}

async function rollback(client: GrpcClient, flags: Flags, name: string, alias: string): Promise<void> {
  const request = { name, alias, change: { case: 'rollback' as const, value: true } };
  await printVersion(flags, (await client.unary(wire().RegistryService.method.setAlias, request)).delta);
}

async function remove(client: GrpcClient, flags: Flags, reference: string): Promise<void> {
  await client.unary(wire().RegistryService.method.deleteDelta, { reference });
  process.stderr.write(`${reference} is removed\n`);
  if (flags.json) await printJson({ removed: reference });
}

/** Reads the versions of a name; by default of all names. */
async function versionsOf(client: GrpcClient, name?: string): Promise<DeltaVersion[]> {
  const deltas: DeltaVersion[] = [];
  let pageToken = '';
  do {
    const request = { name, pageToken, pageSize: PAGE };
    const page = await client.unary(wire().RegistryService.method.listDeltas, request);
    deltas.push(...page.deltas);
    pageToken = page.nextPageToken;
  } while (pageToken !== '');
  return deltas;
}

async function printVersion(flags: Flags, delta: DeltaVersion | undefined): Promise<void> {
  const found = given(delta);
  writeLines(detailsOf(found));
  if (flags.json) await printJson(json(found));
}

function given(delta: DeltaVersion | undefined): DeltaVersion {
  if (delta) return delta;
  throw failed('the gateway returned no delta');
}

const metricOf = ({ metric, metricValue }: DeltaVersion) =>
  metricValue === undefined ? metric : `${metric} ${metricText(metricValue)}`;

const detailsOf = (delta: DeltaVersion) =>
  table([
    ['delta', `${delta.name}:${delta.version}`],
    ['aliases', delta.aliases.join(', ') || 'none'],
    ['base', `${delta.base?.name}, SHA-256 ${delta.base?.sha256}`],
    ['metric', metricOf(delta) || 'unknown'],
    ['data', delta.dataSha256 ? `SHA-256 ${delta.dataSha256}` : 'unknown'],
    ['job', delta.jobId || 'none'],
    ['created', createdText(delta)],
    [DELTA_INFO, `SHA-256 ${delta.files?.info}`],
    [DELTA_TENSORS, `SHA-256 ${delta.files?.tensors}`],
  ]);

const versionTable = (deltas: readonly DeltaVersion[]) =>
  table([
    ['delta', 'aliases', 'metric', 'base', 'created'],
    ...deltas.map((each) => [
      `${each.name}:${each.version}`,
      each.aliases.join(', '),
      metricOf(each),
      each.base?.name ?? '',
      createdText(each),
    ]),
  ]);

function json(delta: DeltaVersion) {
  const { toJson, DeltaVersionSchema } = wire();
  return toJson(DeltaVersionSchema, delta);
}
