import { ChannelCredentials, ServerCredentials } from '@grpc/grpc-js';
import type { Credentials, Guard } from './credentials';

export function channelCredentials({ tls }: Credentials): ChannelCredentials {
  if (!tls) return ChannelCredentials.createInsecure();
  return ChannelCredentials.createSsl(tls.ca ?? null, tls.certificate?.key ?? null, tls.certificate?.cert ?? null);
}

export function serverCredentials({ tls }: Guard): ServerCredentials {
  if (!tls) return ServerCredentials.createInsecure();
  const pair = [{ cert_chain: tls.cert, private_key: tls.key }];
  return ServerCredentials.createSsl(tls.clientCa ?? null, pair, tls.clientCa !== undefined);
}
