import * as fsp from 'node:fs/promises';
import { create, fromJsonString, type JsonValue, toJsonString } from '@bufbuild/protobuf';
import type { StoredFile } from '../foundation/stored-file';
import type { ArtifactStore } from '../infra/artifacts/store';
import { InlineTextsSchema, type TextDataset } from '../proto/gen/hifi/v1/dataset_pb';
import type { JobSpec } from '../proto/gen/hifi/v1/gateway_pb';
import { specJson, specMessage } from './job-message';

/*
 * Stored form of a spec: its proto3 JSON form, in which inline rows of `train` and `dev` are
 * artifacts. Such a dataset has an empty `inline` and, beside it, `inlineRows`: the SHA-256 of an
 * InlineTexts in JSON. Specs of the store's first layout have their rows in `inline`.
 */

const DATASETS = ['train', 'dev'] as const;

interface StoredDataset {
  artifact?: string;
  inline?: JsonValue;
  inlineRows?: string;
}

type StoredSpec = { [D in (typeof DATASETS)[number]]?: StoredDataset };

/** Converts a client's spec to its stored form. @param addText stores a text as an artifact */
export async function storedSpec(spec: JobSpec, addText: (text: string) => Promise<StoredFile>): Promise<StoredSpec> {
  const stored = specJson(withoutRows(spec)) as StoredSpec;
  for (const name of DATASETS) {
    const rows = inlineOf(spec[name]);
    if (rows)
      (stored[name] as StoredDataset).inlineRows = (await addText(toJsonString(InlineTextsSchema, rows))).sha256;
  }
  return stored;
}

/**
 * Returns a stored spec as the client sent it.
 *
 * @throws HifiError NOT_FOUND if a file of its rows is missing
 */
export async function givenSpec(stored: unknown, artifacts: ArtifactStore): Promise<JobSpec> {
  const spec = messageOf(stored as StoredSpec);
  for (const name of DATASETS) {
    const sha256 = (stored as StoredSpec)[name]?.inlineRows;
    const dataset = spec[name];
    if (sha256 === undefined || !dataset) continue;
    const text = await fsp.readFile(await artifacts.path(sha256), 'utf8');
    dataset.source = { case: 'inline', value: fromJsonString(InlineTextsSchema, text) };
  }
  return spec;
}

/** Returns a stored spec for lists: without its inline rows. */
export const listedSpec = (stored: unknown): JobSpec => withoutRows(messageOf(stored as StoredSpec));

/** Artifacts that a stored spec names. */
export const filesNamedBy = (stored: unknown): string[] =>
  DATASETS.flatMap((name) => {
    const { artifact, inlineRows } = (stored as StoredSpec)[name] ?? {};
    return [artifact, inlineRows].filter((sha256) => sha256 !== undefined);
  });

function messageOf(stored: StoredSpec): JobSpec {
  const json = { ...stored };
  for (const name of DATASETS) {
    const { inlineRows: _, ...dataset } = stored[name] ?? {};
    if (stored[name]) json[name] = dataset;
  }
  return specMessage(json);
}

function withoutRows(spec: JobSpec): JobSpec {
  const bare: JobSpec = { ...spec };
  for (const name of DATASETS) {
    const dataset = spec[name];
    if (!dataset || !inlineOf(dataset)) continue;
    bare[name] = { ...dataset, source: { case: 'inline', value: create(InlineTextsSchema) } };
  }
  return bare;
}

const inlineOf = (dataset: TextDataset | undefined) =>
  dataset?.source.case === 'inline' ? dataset.source.value : undefined;
