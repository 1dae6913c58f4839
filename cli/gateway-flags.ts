import * as fs from 'node:fs';
import * as path from 'node:path';
import type { Command } from 'commander';
import { HifiError, invalidInput } from '../foundation/errors';
import type { GrpcClient } from '../infra/grpc/client';
import type { Credentials } from '../infra/grpc/credentials';
import { hostPort } from '../infra/grpc/targets';
import type { ServedName } from '../infra/service/settings';
import { addressOf } from './addresses';
import { aPath } from './flag-values';
import { add, type Flags } from './flags';
import { addJsonFlag } from './output-flags';

/** Adds the flags of a command that calls a gateway: its address and the credentials. */
export function addGatewayFlags(command: Command, address?: string): void {
  command.optionsGroup('Gateway:');
  command.option('--gateway <host:port>', 'address of the gateway that does the work', address);
  addCredentialFlags(command, 'gateway');
}

/** Adds the flags of a command that may call an analyzer. */
export function addAnalyzerFlags(command: Command): void {
  command.optionsGroup('Service:');
  const what = 'address of a running analyzer that predicts; --delta may then be NAME, NAME@ALIAS or NAME:VERSION';
  command.option('--analyzer <host:port>', what);
  addCredentialFlags(command, 'analyzer');
}

function addCredentialFlags(command: Command, name: ServedName): void {
  add(command, '--token-file <file>', `file with the ${name}'s token (or HIFI_TOKEN)`, aPath('file'));
  command.option('--tls', "connect over TLS, with the system's certificate authorities");
  add(command, '--tls-ca <file>', 'connect over TLS, with this certificate authority', aPath('file'));
  add(command, '--tls-cert <file>', 'client certificate, PEM', aPath('file'));
  add(command, '--tls-key <file>', 'key of --tls-cert, PEM', aPath('file'));
}

/** Work of a command at a gateway, with the command's arguments. */
export type GatewayAction = (client: GrpcClient, flags: Flags, ...args: string[]) => Promise<void>;

/** Adds a subcommand that calls a gateway. */
export function addGatewayCommand(command: Command, words: string, what: string, action: GatewayAction): Command {
  const subcommand = command.command(words).description(what);
  addGatewayFlags(subcommand, addressOf('gateway'));
  addJsonFlag(subcommand);
  // commander passes the arguments, the flags and the command.
  return subcommand.action(async (...given: unknown[]) => {
    const flags = given.at(-2) as Flags;
    const client = gatewayClient(flags);
    try {
      await action(client, flags, ...(given.slice(0, -2) as string[]));
    } catch (thrown) {
      throw gatewayError(thrown);
    } finally {
      client.close();
    }
  });
}

/**
 * Connects to the gateway. @throws HifiError INVALID_INPUT for an invalid address or an unreadable
 * file
 */
export function gatewayClient(flags: Flags): GrpcClient {
  const { GrpcClient } = require('../infra/grpc/client') as typeof import('../infra/grpc/client');
  const address = hostPort('--gateway', flags.gateway as string, addressOf('gateway'));
  return new GrpcClient(address, credentialsOf(flags));
}

/** Reads the credentials. @throws HifiError INVALID_INPUT for an unreadable file */
export function credentialsOf(flags: Flags): Credentials {
  const { readCredentials } = require('../infra/grpc/credentials') as typeof import('../infra/grpc/credentials');
  return readCredentials(flags, flags.tls === true);
}

/**
 * Returns the model for a gateway: its name, or its absolute folder if the services run on the same
 * machine.
 */
export function remoteModel({ model, revision }: Flags, flag = '--gateway'): string {
  if (revision !== undefined) throw invalidInput(`--revision excludes ${flag}: the services look models up`);
  return fs.existsSync(model as string) ? path.resolve(model as string) : (model as string);
}

/**
 * Converts a gateway's error to the command's own. If no gateway answers, the line names the
 * remedy.
 */
export function gatewayError(thrown: unknown): unknown {
  const { RpcError, hifiErrorOf } = require('../proto/status') as typeof import('../proto/status');
  if (!(thrown instanceof RpcError)) return thrown;
  const error = hifiErrorOf(thrown);
  if (!thrown.details.unreachable) return error;
  return new HifiError(error.code, `${error.message}: hifi serve starts a gateway, --gateway names another`, thrown);
}
