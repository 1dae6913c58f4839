import { invalidPart, invalidValue, shown } from '../../foundation/errors';
import type { Implementation } from '../../infra/grpc/handlers';
import type { RegisterDeltaRequest, RegistryService } from '../../proto/gen/hifi/v1/registry_pb';
import { pageOf } from '../pages';
import { deltaMessage } from './delta-message';
import { type NamedDelta, notRegistered, promoted, rolledBack, versionOf, without } from './named-delta';
import { checkName, parseReference } from './reference';
import { type GivenContent, type RegisterParts, registerDelta } from './register';

/** Longest name of a metric, in characters. */
const MOST_METRIC = 64;

/** Service that names deltas. */
export function registryService(parts: RegisterParts): Implementation<typeof RegistryService> {
  const { deltas } = parts.store;
  const known = (delta: NamedDelta | undefined, name: string): NamedDelta => {
    if (delta && delta.versions.length > 0) return delta;
    throw notRegistered(
      name,
      Array.from(deltas.list(), (each) => each.name),
    );
  };
  /** Yields all versions after that of a key, the names in order and the newest version first. */
  function* versionsAfter(only: string, key = '') {
    const { name: last = '', version: before = Number.POSITIVE_INFINITY } = key === '' ? {} : parseReference(key);
    for (const delta of deltas.list(only || last)) {
      if (only !== '' && delta.name !== only) return;
      for (const stored of delta.versions.toReversed()) {
        if (delta.name > last || stored.version < before) yield { delta, stored };
      }
    }
  }
  return {
    async registerDelta(request, { signal }) {
      checkName(request.name, 'name');
      const { delta, version } = await registerDelta(parts, request.name, contentOf(request), signal);
      return { delta: deltaMessage(delta, version) };
    },

    async getDelta(request) {
      const reference = parseReference(request.reference);
      const { delta, revision } = await deltas.get(reference.name);
      return { delta: deltaMessage(known(delta, reference.name), versionOf(delta, reference)), revision };
    },

    async listDeltas({ name = '', pageSize, pageToken }) {
      if (name !== '') {
        checkName(name, 'name');
        known((await deltas.get(name)).delta, name);
      }
      const { page, nextPageToken } = await pageOf(
        (key) => versionsAfter(name, key),
        ({ delta, stored }) => `${delta.name}:${stored.version}`,
        isKey,
        { pageSize, pageToken },
        50,
      );
      return { deltas: page.map(({ delta, stored }) => deltaMessage(delta, stored)), nextPageToken };
    },

    async setAlias({ name, alias, change }) {
      checkName(name, 'name');
      checkName(alias, 'alias');
      const rollback = change.case === 'rollback';
      if (change.case === undefined || change.value === false) {
        throw invalidPart('version', 'version is missing; give it, or set rollback to true');
      }
      const delta = await deltas.change(name, (before) =>
        rollback
          ? rolledBack(known(before, name), alias)
          : promoted(known(before, name), alias, change.value as number),
      );
      return { delta: deltaMessage(delta, versionOf(delta, { name, alias })) };
    },

    async deleteDelta(request) {
      const reference = parseReference(request.reference);
      // A sweep removes the files: a service may be about to read them.
      await deltas.change(reference.name, (before) => without(known(before, reference.name), reference));
      return {};
    },
  };
}

function isKey(text: string): boolean {
  try {
    return parseReference(text).version !== undefined;
  } catch {
    return false;
  }
}

function contentOf({ files, metric, metricValue, dataSha256 }: RegisterDeltaRequest): GivenContent {
  if (!files) throw invalidPart('files', "files is missing; it must have the SHA-256 of the delta's two files");
  if (metric.length > MOST_METRIC) {
    throw invalidValue({ field: 'metric', value: shown(metric), expected: `at most ${MOST_METRIC} characters` });
  }
  if (metric === '' && metricValue !== undefined) {
    throw invalidValue({ field: 'metric', value: 'missing', expected: 'the name of metric_value' });
  }
  if (dataSha256 !== '' && !/^[0-9a-f]{64}$/.test(dataSha256)) {
    const expected = '64 hexadecimal digits in lower case';
    throw invalidValue({ field: 'data_sha256', value: shown(dataSha256), expected });
  }
  const { info, tensors } = files;
  return {
    files: { info, tensors },
    ...(metric !== '' && { metric: { name: metric, ...(metricValue !== undefined && { value: metricValue }) } }),
    ...(dataSha256 !== '' && { dataSha256 }),
  };
}
