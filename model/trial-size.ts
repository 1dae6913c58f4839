import { parametersOf } from './checkpoint';
import { readModelConfig } from './config';

/** Sequences that a calibration runs through a model: fewer if a forward pass is long. */
const SEQUENCES = { few: 16, many: 64 };

/** Parameters of a model from which on the sequences are few. */
const LARGE = 60e6;

/**
 * Number of sequences from which the seconds of a whole sample are computed.
 *
 * @throws HifiError INVALID_INPUT for a folder that is no model
 */
export const trialSequences = (folder: string): number =>
  parametersOf(readModelConfig(folder)) < LARGE ? SEQUENCES.many : SEQUENCES.few;
