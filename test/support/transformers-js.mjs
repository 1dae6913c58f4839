// What a user of transformers.js does with exported folders; Jest runs CommonJS, so this is a program of its own.
//
//     node transformers-js.mjs < [{folder, dtype, rows: [[text] or [text, second], …]}, …] as JSON
//
// Without a dtype the folder's config.json chooses.
//
// Prints for each folder {logits, labels, inputs}: of each row the logits and, but of pairs, the pipeline's label; and the
// names of the tokenizer's outputs.
import fs from 'node:fs';
import path from 'node:path';
import { env, pipeline } from '@huggingface/transformers';

env.allowRemoteModels = false;

async function ask({ folder, dtype, rows }) {
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
for (const asked of JSON.parse(fs.readFileSync(0, 'utf8'))) answers.push(await ask(asked));
process.stdout.write(JSON.stringify(answers));
