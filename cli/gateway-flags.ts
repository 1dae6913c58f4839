import type { Command } from 'commander';
import { HifiError, invalidInput } from '../foundation/errors';
import type { GrpcClient } from '../infra/grpc/client';
import { addressOf } from './addresses';
import { aPath } from './flag-values';
import { add, type Flags } from './flags';

/** The flags of a command that calls a gateway: where it is, and what is shown to it. */
export function addGatewayFlags(command: Command, address?: string): void {
  command.optionsGroup('Gateway:');
  command.option('--gateway <host:port>', 'the gateway that does the work', address);
  add(command, '--token-file <file>', 'the token that it asks for (or HIFI_TOKEN)', aPath('file'));
  command.option('--tls', "call it over TLS, by the system's authorities");
  add(command, '--tls-ca <file>', 'call it over TLS, by this authority', aPath('file'));
  add(command, '--tls-cert <file>', 'the certificate to show, PEM', aPath('file'));
  add(command, '--tls-key <file>', 'the key of --tls-cert, PEM', aPath('file'));
}

/** @throws HifiError INVALID_INPUT for an address that is none, or a file that cannot be read */
export function gatewayClient(flags: Flags): GrpcClient {
  const address = flags.gateway as string;
  if (!/^[^\s/]+:\d{1,5}$/.test(address)) {
    throw invalidInput(
      `--gateway is ${JSON.stringify(address)}; it must be HOST:PORT, such as ${addressOf('gateway')}`,
    );
  }
  const { GrpcClient } = require('../infra/grpc/client') as typeof import('../infra/grpc/client');
  const { readCredentials } = require('../infra/grpc/credentials') as typeof import('../infra/grpc/credentials');
  return new GrpcClient(address, readCredentials(flags, flags.tls === true));
}

/** What a gateway answers as an error, as the command's own; where none answers, the line says how there would be one. */
export function gatewayError(thrown: unknown): unknown {
  const { RpcError, hifiErrorOf } = require('../proto/status') as typeof import('../proto/status');
  if (!(thrown instanceof RpcError)) return thrown;
  const error = hifiErrorOf(thrown);
  if (!thrown.details.unreachable) return error;
  return new HifiError(error.code, `${error.message}: hifi serve starts a gateway, --gateway names another`, thrown);
}
