import * as fs from 'node:fs';
import * as path from 'node:path';
import type { DescFile } from '@bufbuild/protobuf';
import { NEEDED, type Role, roleFor } from '../../../infra/grpc/roles';
import { type RoleToken, refusal, roleOf } from '../../../infra/grpc/tokens';

const tokens: RoleToken[] = [
  { role: 'infer', token: 'a' },
  { role: 'run', token: 'b' },
  { role: 'admin', token: 'c' },
];

/** Methods of all services of the contract. */
function methods(): string[] {
  const folder = path.join(__dirname, '../../../proto/gen/hifi/v1');
  const files = fs.readdirSync(folder).flatMap((name) => Object.entries(require(path.join(folder, name))));
  const described = files.filter(([name]) => name.startsWith('file_')).map(([, file]) => file as DescFile);
  return described.flatMap(({ services }) =>
    services.flatMap(({ typeName, methods }) => methods.map(({ name }) => `${typeName}/${name}`)),
  );
}

test('every method of the contract has its role in the table', () => {
  const named = Object.entries(NEEDED).flatMap(([service, needed]) =>
    Object.keys(needed).map((name) => `${service}/${name}`),
  );
  expect(methods().length).toBeGreaterThan(20);
  expect(named).toEqual(expect.arrayContaining(methods()));
});

test.each<[method: string, role: Role]>([
  ['hifi.v1.InferenceService/Classify', 'infer'],
  ['hifi.v1.GatewayService/CreateJob', 'run'],
  ['hifi.v1.GatewayService/DeleteJob', 'admin'],
  ['hifi.v1.RegistryService/ListDeltas', 'infer'],
  ['hifi.v1.RegistryService/SetAlias', 'admin'],
  ['grpc.reflection.v1.ServerReflection/ServerReflectionInfo', 'infer'],
  ['hifi.v1.GatewayService/Unknown', 'admin'],
])('%s needs the role %s', (method, role) => {
  expect(roleFor(method)).toBe(role);
});

test('a role may do what weaker ones may; the message names the role that is needed', () => {
  const answers = (needed: Role) =>
    ['a', 'b', 'c', 'd', undefined].map((token) => refusal(token && `Bearer ${token}`, tokens, 'it', needed)?.reason);
  const [weak, none] = ['PERMISSION_DENIED', 'UNAUTHENTICATED'];
  expect(answers('infer')).toEqual([undefined, undefined, undefined, none, none]);
  expect(answers('run')).toEqual([weak, undefined, undefined, none, none]);
  expect(answers('admin')).toEqual([weak, weak, undefined, none, none]);
  expect(refusal('a', tokens, 'hifi.v1.GatewayService/DeleteJob', 'admin')?.message).toBe(
    'hifi.v1.GatewayService/DeleteJob needs a token of the role admin; this one has the role infer',
  );
  expect(refusal(undefined, undefined, 'it', 'admin')).toBeUndefined();
});

test('tokens are compared in full', () => {
  const one: RoleToken[] = [{ role: 'run', token: 'abc' }];
  expect(roleOf('Bearer abc', one)).toBe('run');
  for (const other of ['abc ', 'Bearer ab', 'Bearer abcd', '', undefined, Buffer.from('abc')]) {
    expect(roleOf(other, one)).toBeUndefined();
  }
});
