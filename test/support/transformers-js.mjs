// Runs exported folders in transformers.js, as a user does. Jest runs CommonJS, so this is a
// separate program.
//
//     node transformers-js.mjs < [{folder, dtype, rows: [[text] or [text, second], …]}, …] as JSON
//
// Without a dtype the folder's config.json chooses. Prints {logits, labels, inputs} per folder: the
// logits of each row, the pipeline's label of each row unless rows are pairs, and the names of the
// tokenizer's outputs.
import fs from 'node:fs';
import path from 'node:path';
import { env, pipeline } from '@huggingface/transformers';

env.allowRemoteModels = false;

async function answerTo({ folder, dtype, rows }) {
  env.localModelPath = path.dirname(folder);
  const classify = await pipeline('text-classification', path.basename(folder), dtype && { dtype });
  const pairs = rows[0].length > 1;
  const texts = rows.map(([text]) => text);
  const inputs = classify.tokenizer(texts, {
    padding: true,
    truncation: true,
    ...(pairs && { text_pair: rows.map(([, second]) => second) }),
  });
  const { logits } = await classify.model(inputs);
  const labels = pairs ? null : (await classify(texts)).map(({ label }) => label);
  return { logits: logits.tolist(), labels, inputs: Object.keys(inputs) };
}

const answers = [];
for (const request of JSON.parse(fs.readFileSync(0, 'utf8'))) answers.push(await answerTo(request));
process.stdout.write(JSON.stringify(answers));
