import { PROBLEMS } from '../delta/problems';
import type { ModelConfig, TaskHead } from '../model/architecture';
import { architectureOf } from '../model/architectures';
import { type NetworkObjective, PAIRS, POOLED } from './loss';

/** End without a task head: its logits are the mean of the tokens. */
const POOLED_END: TaskHead = { reads: 'mean', own: [], output: '', tensors: () => [], logits: (_net, _config, x) => x };

/** Last part of a network: the task head of an objective's problem, or none. */
export const endOf = (config: ModelConfig, { problem }: NetworkObjective): TaskHead =>
  problem === POOLED.problem || problem === PAIRS.problem
    ? POOLED_END
    : architectureOf(config).taskHead(config, PROBLEMS[problem].taskHead);
