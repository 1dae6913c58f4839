import { create } from '@bufbuild/protobuf';
import type { ReportData } from '../heads/head-report';
import { type MeasuredRows, MeasuredRowsSchema } from './gen/hifi/v1/heads_pb';
import { present } from './matrix';

export const measuredRowsMessage = (data: ReportData): MeasuredRows => create(MeasuredRowsSchema, { ...data });

/** Converts the measured rows of a message. @throws HifiError INVALID_INPUT if they are missing */
export function measuredRowsOf(message: MeasuredRows | undefined, field: string): ReportData {
  const { path, sha256, rows, sampleIds } = present(message, field);
  return { path, sha256, rows, sampleIds: [...sampleIds] };
}
