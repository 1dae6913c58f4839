import { bert } from '../../model/architectures/bert';

/** What a BERT's shapes do not depend on. */
const HEADS = { heads: 1, keyValueHeads: 1, headDim: 1, raw: {} };

const count = (layers: number, hiddenSize: number, intermediateSize: number) =>
  bert
    .tensors({
      ...HEADS,
      layers,
      heads: 1,
      hiddenSize,
      intermediateSize,
      vocabSize: 30522,
      embeddingSize: hiddenSize,
      positionRows: 512,
      typeVocabSize: 2,
      raw: {},
    })
    .map(({ shape }) => shape.reduce((product, size) => product * size, 1))
    .reduce((sum, size) => sum + size, 0);

test.each([
  ['BERT-large', 24, 1024, 4096, 335_141_888],
  ['BERT-base', 12, 768, 3072, 109_482_240],
  ['MiniLM-L6', 6, 384, 1536, 22_713_216],
])('%s has as many numbers as is published', (_, layers, hidden, intermediate, parameters) => {
  expect(count(layers, hidden, intermediate)).toBe(parameters);
});

test('no name is given twice', () => {
  const sizes = {
    ...HEADS,
    layers: 3,
    heads: 1,
    hiddenSize: 4,
    embeddingSize: 4,
    intermediateSize: 8,
    vocabSize: 5,
    positionRows: 6,
    typeVocabSize: 2,
    raw: {},
  };
  const names = bert.tensors(sizes).map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  expect(names).toHaveLength(5 + 3 * 16 + 2);
});
