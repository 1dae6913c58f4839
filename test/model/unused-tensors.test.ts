import { isUnused } from '../../model/unused-tensors';

/** Tensors of transformers' classes with a task head, today's and those of older versions. */
test.each([
  'cls.predictions.decoder.weight',
  'cls.seq_relationship.bias',
  'lm_head.decoder.weight',
  'lm_head.weight',
  'qa_outputs.weight',
  'vocab_projector.bias',
  'discriminator_predictions.dense_prediction.weight',
  'generator_lm_head.weight',
  'sequence_summary.summary.weight',
  'lm_predictions.lm_head.bias',
  'mask_predictions.dense.weight',
  'decoder.bias',
  'score.weight',
  'classifier.out_proj.bias',
  'pre_classifier.weight',
  'head.dense.weight',
  'bert.embeddings.position_ids',
  'embeddings.token_type_ids',
  'model.layers.0.self_attn.rotary_emb.inv_freq',
  'deberta.embeddings.position_embeddings.weight',
])('%s is not used', (name) => {
  expect(isUnused(name)).toBe(true);
});

test.each([
  'encoder.layer.0.adapter.weight',
  'classifiers.0.weight',
  'lora.weight',
  'clspooler.weight',
  'position_ids.weight',
])('%s is unknown', (name) => {
  expect(isUnused(name)).toBe(false);
});
