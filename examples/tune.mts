/*
 * Step by step: measure, select, train, evaluate, predict, export.
 *
 *   tune.mts train.tsv dev.tsv out [model]      (columns: sentence, label)
 */
import { analyze, evaluate, exportModel, predict, readDelta, select, train, writeJson } from 'hifi-heads';

const [trainFile, devFile, out, model = 'all-MiniLM-L6-v2'] = process.argv.slice(2);
const columns = { textColumns: ['sentence'], labelColumn: 'label' };
const rows = { path: trainFile, ...columns };
const dev = { path: devFile, ...columns };

const heads = await analyze({ model, data: rows });
const mask = select(heads, { strategy: 'hifi', k: 1 });
console.log(`${mask.heads.length} heads, ${(100 * mask.share).toFixed(2)} % of the parameters`);

const training = train({ model, train: rows, dev, mask, options: { epochs: 2 }, out });
for await (const event of training) {
  if (event.kind === 'epoch') console.log(`epoch ${event.epoch.epoch}: ${JSON.stringify(event.epoch.dev)}`);
}
const { best, metric } = await training;
console.log(`best: epoch ${best.epoch}, ${metric} ${best.value}`);

// The measurements and the reason for the choice, for `hifi select` and later use.
writeJson(`${out}/heads.json`, heads);
writeJson(`${out}/mask.json`, mask);

const delta = `${out}/delta`;
const { info, tensors } = readDelta(delta);
console.log(`${tensors.size} tensors, labels ${Object.values(info.id2label ?? {}).join(' and ')}`);
const { metrics } = await evaluate({ model, delta, data: dev });
console.log(`evaluation: ${JSON.stringify(metrics)}`);

await exportModel({ model, delta, format: 'onnx', out: `${out}/onnx` });
const texts = ['The keys are here.', 'The keys is here.'];
for (const { row, label, logits } of await predict({ model: `${out}/onnx`, data: { texts } })) {
  console.log(`${texts[row]} ${label} (${logits.map((logit) => logit.toFixed(2)).join(', ')})`);
}
