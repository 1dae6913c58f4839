import { didYouMean, nearest } from '../../data/nearest';

describe('nearest', () => {
  it('finds the name that was meant', () => {
    const known = ['sentence', 'label', 'sentence2', 'gold_label'];
    expect(nearest('sentance', known)).toBe('sentence');
    expect(nearest('Label', known)).toBe('label');
    expect(nearest('sentence_2', known)).toBe('sentence2');
    expect(nearest('lable', known)).toBe('label');
  });

  it('finds none where none is near', () => {
    expect(nearest('text', ['relatedness_score'])).toBeUndefined();
    expect(nearest('x', [])).toBeUndefined();
    expect(didYouMean('text', ['relatedness_score'])).toBe('');
    expect(didYouMean('txt', ['text'])).toBe('; did you mean "text"?');
  });
});
