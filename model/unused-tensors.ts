/**
 * Modules of task heads in transformers: classifiers, language models, question answering,
 * discriminators.
 */
const HEADS = [
  'classifier',
  'cls',
  'decoder',
  'discriminator_predictions',
  'generator_lm_head',
  'generator_predictions',
  'head',
  'lm_head',
  'lm_predictions',
  'mask_predictions',
  'pooler',
  'pre_classifier',
  'qa_outputs',
  'score',
  'sequence_summary',
  'vocab_layer_norm',
  'vocab_projector',
  'vocab_transform',
];

/** Tensors that are computed anew, and the positions of a model that has only relative ones. */
const BUFFERS = /(^|\.)(position_ids|token_type_ids|inv_freq|cos_cached|sin_cached|position_embeddings\.weight)$/;

/**
 * Returns true for a stored tensor that a base model does not use: of a task head, or a buffer.
 * @param name name without the prefix of a wrapper
 */
export const isUnused = (name: string): boolean =>
  BUFFERS.test(name) || HEADS.some((module) => name.startsWith(`${module}.`));
