/** Address of a bucket and of the objects in it. */
export interface BucketAddress {
  bucket: string;
  /** Begin of all names, empty or with a slash at its end. */
  prefix: string;
}

/** Parses `s3://BUCKET/PREFIX`; undefined for any other text. */
export function bucketAddress(url: string): BucketAddress | undefined {
  const [, bucket, prefix = ''] = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/.exec(url) ?? [];
  if (bucket === undefined) return undefined;
  const parts = prefix.split('/').filter(Boolean);
  return { bucket, prefix: parts.map((part) => `${part}/`).join('') };
}
