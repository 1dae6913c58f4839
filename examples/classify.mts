// Keeps a tuned model warm and asks it twice: classify.mts DELTA [MODEL]
import { Classifier, HifiError } from 'hifi-heads';

const [delta, model = 'all-MiniLM-L6-v2'] = process.argv.slice(2);

try {
  const classifier = await Classifier.open({ model, deltas: [delta] });
  for (const texts of [['The keys are here.'], ['The keys is here.', 'The key is here.']]) {
    const [{ rows }] = await classifier.classify(texts);
    for (const [i, { labels }] of rows.entries()) {
      console.log(texts[i], labels.map(({ label, score }) => `${label} ${score.toFixed(2)}`).join(', '));
    }
  }
  await classifier.close();
} catch (error) {
  const { code, message } = HifiError.from(error);
  console.error(`${code}: ${message}`);
  process.exitCode = 1;
}
