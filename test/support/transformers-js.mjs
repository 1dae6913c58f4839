// Runs exported folders in transformers.js, as a user does. Jest runs CommonJS, so this is a
// separate program.
//
//     node transformers-js.mjs < [{folder, dtype, task, options, rows}, …] as JSON
//
// Rows are [text] or [text, second]. Without a dtype the folder's config.json chooses; the task is
// `text-classification` unless given. Prints {logits, answers, inputs} per folder: the logits of
// each row, the pipeline's answer to each row with the options unless rows are pairs, and the names
// of the tokenizer's outputs.
import fs from 'node:fs';
import path from 'node:path';
import { env, pipeline } from '@huggingface/transformers';

env.allowRemoteModels = false;
/** The models are tiny, and threads would wait for each other. */
const ONE_THREAD = { intraOpNumThreads: 1, interOpNumThreads: 1 };

async function answerTo({ folder, dtype, task = 'text-classification', options, rows }) {
  env.localModelPath = path.dirname(folder);
  const run = await pipeline(task, path.basename(folder), { ...(dtype && { dtype }), session_options: ONE_THREAD });
  const pairs = rows[0].length > 1;
  const texts = rows.map(([text]) => text);
  const inputs = run.tokenizer(texts, {
    padding: true,
    truncation: true,
    ...(pairs && { text_pair: rows.map(([, second]) => second) }),
  });
  const { logits } = await run.model(inputs);
  const answers = pairs ? null : await run(texts, options);
  return { logits: logits.tolist(), answers, inputs: Object.keys(inputs) };
}

const answers = [];
for (const request of JSON.parse(fs.readFileSync(0, 'utf8'))) answers.push(await answerTo(request));
process.stdout.write(JSON.stringify(answers));
