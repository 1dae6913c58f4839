// What a user of transformers.js does with an exported folder; Jest runs CommonJS, so this is a program of its own.
//
//     node transformers-js.mjs FOLDER < [[text] or [text, second], …] as JSON
//
// Prints {logits, labels, inputs}: of each row the logits and the pipeline's label (null for a pair), and the tokenizer's outputs.
import fs from 'node:fs';
import path from 'node:path';
import { env, pipeline } from '@huggingface/transformers';

const folder = path.resolve(process.argv[2]);
env.allowRemoteModels = false;
env.localModelPath = path.dirname(folder);
const rows = JSON.parse(fs.readFileSync(0, 'utf8'));
const classify = await pipeline('text-classification', path.basename(folder));
const pairs = rows[0].length > 1;
const texts = rows.map(([text]) => text);
const inputs = classify.tokenizer(texts, {
  padding: true,
  truncation: true,
  ...(pairs && { text_pair: rows.map(([, second]) => second) }),
});
const { logits } = await classify.model(inputs);
const labels = pairs ? null : (await classify(texts)).map(({ label }) => label);
process.stdout.write(JSON.stringify({ logits: logits.tolist(), labels, inputs: Object.keys(inputs) }));
