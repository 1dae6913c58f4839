import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import * as http from 'node:http';
import type { AddressInfo } from 'node:net';
import * as path from 'node:path';
import { S3 } from '@aws-sdk/client-s3';
import { sha256Of } from '../../../foundation/hash';
import { Bucket } from '../../../infra/artifacts/bucket';
import { isAway } from '../../../infra/artifacts/bucket-errors';
import { FolderObjects } from '../../../infra/artifacts/folder-objects';
import { FolderArtifacts } from '../../../infra/artifacts/folder-store';
import { type Objects, readText } from '../../../infra/artifacts/objects';
import { RunStore } from '../../../infra/artifacts/run-store';
import { SharedArtifacts } from '../../../infra/artifacts/shared-artifacts';
import { startCuttingProxy } from '../../support/cutting-proxy';
import { temporaryFolder } from '../../support/deltas';
import { freePorts } from '../../support/ports';
import { BUCKET, type S3Server, startS3 } from '../../support/s3';

const DAY = 24 * 3600_000;
const folder = temporaryFolder('shared');
const before = { ...process.env };
const never = new AbortController().signal;
let s3: S3Server;
let caches = 0;

beforeAll(async () => {
  s3 = await startS3();
  Object.assign(process.env, s3.env);
});
afterAll(async () => {
  for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name];
  Object.assign(process.env, before);
  await s3?.stop();
  fs.rmSync(folder, { recursive: true });
});

const newCache = () => new FolderArtifacts(path.join(folder, `cache-${caches++}`));
const fileOf = (bytes: Buffer | string) => {
  const file = path.join(folder, `file-${caches++}`);
  fs.writeFileSync(file, bytes);
  return file;
};
const all = async <T>(items: AsyncIterable<T>) => {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
};
const bytesOf = async (objects: Objects, key: string, offset = 0) =>
  Buffer.concat(await all(objects.read(key, offset)));

const KINDS: [string, () => Objects][] = [
  ['a folder', () => new FolderObjects(path.join(folder, `objects-${caches++}`))],
  ['S3', () => new Bucket({ bucket: BUCKET, prefix: `suite-${caches++}/` })],
];

describe.each(KINDS)('objects and runs in %s', (_, open) => {
  let objects: Objects;
  beforeEach(() => {
    objects = open();
  });

  it('stores, replaces, lists, reads from an offset and removes', async () => {
    await objects.put('a/b/one', fileOf('first'));
    await objects.put('a/b/one', fileOf('second'));
    await objects.putText('a/two', '');
    const listed = await all(objects.list('a/'));
    expect(listed.map(({ key, sizeBytes }) => [key, sizeBytes]).sort()).toEqual([
      ['a/b/one', 6],
      ['a/two', 0],
    ]);
    for (const { time } of listed) expect(Math.abs(Date.now() - time)).toBeLessThan(DAY);
    expect(await readText(objects, 'a/b/one')).toBe('second');
    expect(await readText(objects, 'a/two')).toBe('');
    expect(await bytesOf(objects, 'a/b/one', 4)).toEqual(Buffer.from('nd'));
    expect(await objects.stat('a/b/none')).toBeUndefined();
    await expect(readText(objects, 'a/b/none')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await objects.remove(['a/b/one', 'a/b/none']);
    expect((await all(objects.list('a/'))).map(({ key }) => key)).toEqual(['a/two']);
    expect(await all(objects.list('missing/'))).toEqual([]);
  });

  it('an attempt resumes the checkpoint of an earlier one, and is not disturbed when that wakes up', async () => {
    const [one, two] = [new RunStore(objects, newCache()), new RunStore(objects, newCache())];
    const restored = async (store: RunStore, attempt: number) => {
      const file = path.join(folder, `restored-${caches++}`);
      const run = await store.open('run', attempt, never);
      return (await run.restore(file, never)) ? [run.step, fs.readFileSync(file, 'utf8')] : undefined;
    };
    const paused = await one.open('run', 1, never);
    expect(paused.isOf('key')).toBe(true);
    await paused.begin('key');
    await paused.save('key', 10, fileOf('ten'));
    expect(await restored(two, 2)).toEqual([10, 'ten']);
    const successor = await two.open('run', 2, never);
    expect([successor.isOf('key'), successor.isOf('other')]).toEqual([true, false]);
    await successor.begin('key');
    await successor.save('key', 20, fileOf('twenty'));

    // The first attempt wakes up.
    const over = { reason: 'ATTEMPT_SUPERSEDED' };
    await expect(paused.save('key', 30, fileOf('thirty'))).rejects.toMatchObject(over);
    await expect(paused.finish('key', { by: 1 })).rejects.toMatchObject(over);
    await expect(one.open('run', 1, never)).rejects.toMatchObject(over);
    // A write that was on its way since before the second attempt.
    await objects.put(`runs/run/key/1/30-${sha256Of('thirty')}`, fileOf('thirty'));
    expect(await restored(one, 3)).toEqual([20, 'twenty']);
    expect(await (await one.open('run', 3, never)).outcome(never)).toBeUndefined();

    await successor.finish('key', { by: 2 });
    const ended = await one.open('run', undefined, never);
    expect(await ended.outcome(never)).toEqual({ by: 2 });
    expect(ended.step).toBeUndefined();
    expect((await all(one.list())).map(({ run }) => run)).toEqual(['run']);
    await one.remove('run');
    expect(await all(one.list())).toEqual([]);
  });

  it('a damaged checkpoint gives way to the one before', async () => {
    const run = await new RunStore(objects, newCache()).open('run', 1, never);
    await run.save('key', 10, fileOf('ten'));
    await objects.put(`runs/run/key/1/20-${sha256Of('twenty')}`, fileOf('twEnty'));
    const file = path.join(folder, `restored-${caches++}`);
    const next = await new RunStore(objects, newCache()).open('run', 2, never);
    expect(await next.restore(file, never)).toBe(true);
    expect(fs.readFileSync(file, 'utf8')).toBe('ten');
  });

  it('artifacts of one machine arrive on another, checked', async () => {
    const [one, two] = [new SharedArtifacts(objects, newCache()), new SharedArtifacts(objects, newCache())];
    const { sha256 } = await one.add(fileOf('content'));
    expect(await one.addText('content')).toEqual({ sha256, sizeBytes: 7 });
    expect([await two.has(sha256), await two.size(sha256)]).toEqual([true, 7]);
    expect(fs.readFileSync(await two.path(sha256), 'utf8')).toBe('content');
    expect(Buffer.concat(await all(two.read(sha256, 3, 2))).toString()).toBe('tent');
    expect(await two.upload(sha256)).toEqual({ offset: 7, complete: true });

    const wanted = { sha256: sha256Of('interrupted'), sizeBytes: 11 };
    const pieces = async function* (...texts: string[]) {
      for (const text of texts) yield Buffer.from(text);
    };
    await expect(two.receive({ ...wanted, offset: 0 }, pieces('inter'))).rejects.toThrow(/5 bytes/);
    expect(await two.upload(wanted.sha256)).toEqual({ offset: 5, complete: false });
    await two.receive({ ...wanted, offset: 5 }, pieces('rupted'));
    expect(fs.readFileSync(await one.path(wanted.sha256), 'utf8')).toBe('interrupted');

    await objects.putText(`sha256/${sha256}`, 'c0ntent');
    const third = new SharedArtifacts(objects, newCache());
    await expect(third.path(sha256)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect((await third.upload(sha256)).complete).toBe(false);
    await one.remove(wanted.sha256);
    expect(await all(one.list())).toEqual([]);
    await expect(one.has('../x')).rejects.toMatchObject({ code: 'INVALID_INPUT' });
  });
});

describe('a bucket', () => {
  const of = (port: number, env: Record<string, string> = {}) => {
    const own = { ...process.env };
    Object.assign(process.env, { AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${port}` }, env);
    const made = new Bucket({ bucket: BUCKET, prefix: '' });
    for (const name of ['AWS_ENDPOINT_URL_S3', ...Object.keys(env)]) {
      if (own[name] === undefined) delete process.env[name];
      else process.env[name] = own[name];
    }
    return made;
  };

  it('takes large files in parts, and drops unfinished uploads', async () => {
    const bucket = of(s3.port);
    const content = randomBytes(17 * 2 ** 20);
    await bucket.put('large', fileOf(content));
    expect((await bytesOf(bucket, 'large')).equals(content)).toBe(true);
    const client = new S3({ endpoint: s3.env.AWS_ENDPOINT_URL_S3, forcePathStyle: true, region: 'us-east-1' });
    await client.createMultipartUpload({ Bucket: BUCKET, Key: 'left' });
    const left = async () => (await client.listMultipartUploads({ Bucket: BUCKET })).Uploads?.length ?? 0;
    expect(await left()).toBe(1);
    // This server reports all uploads as begun in 2010.
    await bucket.dropParts(Date.UTC(2000));
    expect(await left()).toBe(1);
    await bucket.dropParts(Date.now() + DAY);
    expect(await left()).toBe(0);
  });

  it('an interrupted download resumes where it ended, also in another process, and the cache has whole files only', async () => {
    const content = randomBytes(3 * 2 ** 20);
    const { sha256 } = await new SharedArtifacts(of(s3.port), newCache()).add(fileOf(content));
    const proxy = await startCuttingProxy(s3.port);
    try {
      const cache = newCache();
      const names = () => fs.readdirSync(path.join(folder, `cache-${caches - 1}`, 'sha256'));
      const artifacts = new SharedArtifacts(of(proxy.port), cache);
      proxy.cutAfter = 2 ** 20;
      // The connection breaks, and the process ends before it resumes.
      const leaving = new AbortController();
      const first = artifacts.path(sha256, leaving.signal);
      const timer = setInterval(() => proxy.cuts > 0 && leaving.abort(), 1);
      await expect(first).rejects.toMatchObject({ code: 'CANCELLED' });
      clearInterval(timer);
      expect(names()).toEqual([]);
      const file = await new SharedArtifacts(of(proxy.port), cache).path(sha256);
      expect(fs.readFileSync(file).equals(content)).toBe(true);
      expect(names()).toEqual([sha256]);
      expect(proxy.cuts).toBeGreaterThanOrEqual(3);
      const ranges = proxy.requests.filter((request) => /^GET bytes=\d+-$/.test(request));
      expect(ranges.length).toBeGreaterThanOrEqual(2);
      // Only bytes that were on their way at a cut are sent again.
      expect(proxy.passed).toBeLessThan(1.5 * content.length);
    } finally {
      await proxy.stop();
    }
  });

  it('that does not answer is away', async () => {
    const [closed] = await freePorts(1);
    const error = await of(closed)
      .check()
      .catch((thrown) => thrown);
    expect(isAway(error)).toBe(true);
    expect(error.message).toMatch(/^s3:\/\/hifi at 127\.0\.0\.1:\d+: /);
  });

  it('that does not exist, or for which there are no credentials, gives one line', async () => {
    await expect(new Bucket({ bucket: 'none', prefix: '' }).check()).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      message: expect.stringMatching(/^s3:\/\/none at \S+: there is no such bucket: create it/),
    });
    const without = { AWS_ACCESS_KEY_ID: '', AWS_SHARED_CREDENTIALS_FILE: '/none', AWS_EC2_METADATA_DISABLED: 'true' };
    const own = { ...process.env };
    Object.assign(process.env, without);
    try {
      await expect(of(s3.port).check()).rejects.toMatchObject({
        code: 'INVALID_INPUT',
        message: expect.stringMatching(/: no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY/),
      });
    } finally {
      for (const name of Object.keys(without)) delete process.env[name];
      Object.assign(process.env, own);
    }
  });

  it.each([
    ['AccessDenied', 403, 'access denied: the credentials must allow to list the bucket'],
    ['InvalidAccessKeyId', 403, 'check AWS_ACCESS_KEY_ID'],
    ['SignatureDoesNotMatch', 403, 'check AWS_SECRET_ACCESS_KEY'],
    ['ExpiredToken', 400, 'renew AWS_SESSION_TOKEN'],
    ['AuthorizationHeaderMalformed', 400, 'set AWS_REGION to its region, eu-west-1'],
    ['PermanentRedirect', 301, 'set AWS_REGION to its region'],
    ['RequestTimeTooSkewed', 403, "this machine's clock differs too much from the server's"],
  ])('%s of AWS gives one line', async (code, statusCode, line) => {
    const server = http.createServer((_, response) => {
      const body = `<Error><Code>${code}</Code><Message>As AWS says it</Message><Region>eu-west-1</Region></Error>`;
      response.writeHead(statusCode, { 'content-type': 'application/xml' }).end(body);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      await expect(of((server.address() as AddressInfo).port).check()).rejects.toMatchObject({
        code: 'INVALID_INPUT',
        message: expect.stringContaining(line),
      });
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  });
});
