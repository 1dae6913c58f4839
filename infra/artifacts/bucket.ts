import { createHash } from 'node:crypto';
import * as fsp from 'node:fs/promises';
import type { Readable } from 'node:stream';
import {
  type CompletedPart,
  type ListMultipartUploadsCommandInput,
  type ListMultipartUploadsCommandOutput,
  paginateListObjectsV2,
  S3,
} from '@aws-sdk/client-s3';
import { failed, HifiError } from '../../foundation/errors';
import type { BucketAddress } from './bucket-address';
import { bucketError, settingsError } from './bucket-errors';
import type { Objects, StoredObject } from './objects';

/** Size of a part of a multipart upload, in bytes. A smaller file is one request. */
const PART_BYTES = 16 * 2 ** 20;
/** Parts that are in memory and on their way at once. */
const PARTS_AT_ONCE = 3;
/** Largest number of objects that one request may delete. */
const DELETED_AT_ONCE = 1000;
/** Longest wait for a connection, in milliseconds. */
const CONNECT_MS = 5_000;
/** Longest silence of a connection, in milliseconds. */
const SILENT_MS = 20_000;
/** Attempts of the client library at one request. */
const ATTEMPTS = 4;

/**
 * Objects of an S3 bucket. The AWS_* variables have the credentials, the region and the endpoint;
 * with an endpoint, the bucket is part of the path. It needs no conditional writes.
 */
export class Bucket implements Objects {
  private readonly client: S3;
  private readonly bucket: string;
  private readonly prefix: string;
  private readonly endpoint: string | undefined;

  constructor({ bucket, prefix }: BucketAddress) {
    const { AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, AWS_REGION, AWS_DEFAULT_REGION } = process.env;
    // A user can do nothing about it: Node's version is this project's choice.
    process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';
    this.bucket = bucket;
    this.prefix = prefix;
    this.endpoint = AWS_ENDPOINT_URL_S3 || AWS_ENDPOINT_URL;
    const region = AWS_REGION || AWS_DEFAULT_REGION || (this.endpoint && 'us-east-1');
    this.client = new S3({
      ...(region && { region }),
      ...(this.endpoint && { endpoint: this.endpoint, forcePathStyle: true }),
      maxAttempts: ATTEMPTS,
      // Checksums in trailers, the library's default, are unknown to many servers.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      requestHandler: { connectionTimeout: CONNECT_MS, socketTimeout: SILENT_MS },
    });
  }

  /**
   * Lists and writes, as later calls do.
   *
   * @throws HifiError INVALID_INPUT if the bucket cannot be used as it is; RpcError UNAVAILABLE if
   *   it does not answer
   */
  async check(): Promise<void> {
    try {
      await this.told(this.client.listObjectsV2({ Bucket: this.bucket, Prefix: this.prefix, MaxKeys: 1 }));
      await this.putText('hifi.json', JSON.stringify({ layout: 1 }));
    } catch (error) {
      throw settingsError(error, this.shown) ?? error;
    }
  }

  async stat(key: string, signal?: AbortSignal): Promise<StoredObject | undefined> {
    try {
      const { ContentLength, LastModified } = await this.told(
        this.client.headObject(this.at(key), { abortSignal: signal }),
      );
      return { key, sizeBytes: ContentLength ?? 0, time: LastModified?.getTime() ?? 0 };
    } catch (error) {
      if (HifiError.from(error).code === 'NOT_FOUND') return undefined;
      throw error;
    }
  }

  async *list(prefix: string, signal?: AbortSignal): AsyncGenerator<StoredObject> {
    const query = { Bucket: this.bucket, Prefix: `${this.prefix}${prefix}` };
    const pages = paginateListObjectsV2({ client: this.client }, query, { abortSignal: signal });
    for (;;) {
      const { value: page, done } = await this.told(pages.next());
      if (done) return;
      for (const { Key, Size, LastModified } of page.Contents ?? []) {
        if (Key === undefined) continue;
        yield { key: Key.slice(this.prefix.length), sizeBytes: Size ?? 0, time: LastModified?.getTime() ?? 0 };
      }
    }
  }

  async put(key: string, file: string, signal?: AbortSignal): Promise<void> {
    const handle = await fsp.open(file, 'r');
    try {
      const { size } = await handle.stat();
      if (size > PART_BYTES) await this.putParts(key, handle, size, signal);
      else await this.putWhole(key, await handle.readFile(), signal);
    } finally {
      await handle.close();
    }
  }

  async putText(key: string, text: string, signal?: AbortSignal): Promise<void> {
    await this.putWhole(key, Buffer.from(text), signal);
  }

  async *read(key: string, offset: number, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    const range = offset > 0 && { Range: `bytes=${offset}-` };
    const {
      Body,
      ContentRange,
      ContentLength = 0,
    } = await this.told(this.client.getObject({ ...this.at(key), ...range }, { abortSignal: signal }));
    const body = Body as Readable;
    try {
      if (range && !ContentRange) throw failed(`${this.shown} ignores ranges: a download cannot be resumed`);
      let missing = ContentLength;
      for await (const chunk of body) {
        missing -= (chunk as Uint8Array).length;
        yield chunk;
      }
      if (missing > 0) throw new Error(`the answer lacks ${missing} of ${ContentLength} bytes`);
    } catch (error) {
      throw this.error(error);
    } finally {
      body.destroy();
    }
  }

  async remove(keys: readonly string[]): Promise<void> {
    for (let from = 0; from < keys.length; from += DELETED_AT_ONCE) {
      const Objects = keys.slice(from, from + DELETED_AT_ONCE).map((key) => ({ Key: this.prefix + key }));
      const request = { Bucket: this.bucket, Delete: { Objects, Quiet: true } };
      const { Errors = [] } = await this.told(this.client.deleteObjects(request));
      const error = Errors.find(({ Code }) => Code !== 'NoSuchKey');
      if (error) throw failed(`${this.shown}: ${error.Key} could not be deleted: ${error.Code} ${error.Message}`);
    }
  }

  async dropParts(before: number): Promise<void> {
    let from: Partial<ListMultipartUploadsCommandInput> | undefined = {};
    while (from) {
      const page: ListMultipartUploadsCommandOutput = await this.told(
        this.client.listMultipartUploads({ Bucket: this.bucket, Prefix: this.prefix, ...from }),
      );
      for (const { Key, UploadId, Initiated } of page.Uploads ?? []) {
        if ((Initiated?.getTime() ?? 0) >= before) continue;
        await this.told(this.client.abortMultipartUpload({ Bucket: this.bucket, Key, UploadId }));
      }
      from = page.IsTruncated ? { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker } : undefined;
    }
  }

  /** Bucket and endpoint, for messages. */
  private get shown(): string {
    return `s3://${this.bucket}${this.endpoint ? ` at ${new URL(this.endpoint).host}` : ''}`;
  }

  private async putWhole(key: string, bytes: Buffer, signal?: AbortSignal): Promise<void> {
    const content = { Body: bytes, ContentLength: bytes.length, ChecksumSHA256: sha256Base64(bytes) };
    await this.told(this.client.putObject({ ...this.at(key), ...content }, { abortSignal: signal }));
  }

  /** Uploads in parts; a failure leaves no unfinished upload, unless this process is killed. */
  private async putParts(key: string, handle: fsp.FileHandle, size: number, signal?: AbortSignal): Promise<void> {
    const at = this.at(key);
    const { UploadId } = await this.told(
      this.client.createMultipartUpload({ ...at, ChecksumAlgorithm: 'SHA256' }, { abortSignal: signal }),
    );
    const stopping = new AbortController();
    const stop = signal ? AbortSignal.any([signal, stopping.signal]) : stopping.signal;
    const Parts: CompletedPart[] = [];
    let next = 0;
    const worker = async () => {
      for (let i = next++; i * PART_BYTES < size; i = next++) {
        const Body = Buffer.alloc(Math.min(PART_BYTES, size - i * PART_BYTES));
        await readFully(handle, Body, i * PART_BYTES);
        const part = { ...at, UploadId, PartNumber: i + 1, Body, ChecksumSHA256: sha256Base64(Body) };
        const { ETag, ChecksumSHA256 } = await this.told(this.client.uploadPart(part, { abortSignal: stop }));
        Parts[i] = { PartNumber: i + 1, ETag, ...(ChecksumSHA256 && { ChecksumSHA256 }) };
      }
    };
    const workers = Array.from({ length: PARTS_AT_ONCE }, worker);
    try {
      await Promise.all(workers);
      await this.told(
        this.client.completeMultipartUpload({ ...at, UploadId, MultipartUpload: { Parts } }, { abortSignal: signal }),
      );
    } catch (error) {
      stopping.abort();
      await Promise.allSettled(workers);
      // The server may have completed the upload although its answer was lost.
      if ((await this.stat(key).catch(() => undefined))?.sizeBytes === size) return;
      await this.told(this.client.abortMultipartUpload({ ...at, UploadId })).catch(() => {});
      throw error;
    }
  }

  private at(key: string) {
    return { Bucket: this.bucket, Key: this.prefix + key };
  }

  private told<T>(answer: Promise<T>): Promise<T> {
    return answer.catch((error) => {
      throw this.error(error);
    });
  }

  private error(error: unknown): unknown {
    return bucketError(error, this.shown);
  }
}

const sha256Base64 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('base64');

/** Fills a buffer from a position of a file. @throws HifiError FAILED if the file is shorter */
async function readFully(handle: fsp.FileHandle, into: Buffer, position: number): Promise<void> {
  for (let done = 0; done < into.length; ) {
    const { bytesRead } = await handle.read(into, done, into.length - done, position + done);
    if (bytesRead === 0) throw failed(`a file became shorter during its upload`);
    done += bytesRead;
  }
}
