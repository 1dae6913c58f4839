import type { DataSource } from '../data/dataset';
import { formatNamed } from '../data/format';
import { TASKS, type TaskName } from '../data/tasks';
import { labelArguments } from '../delta/adapter-card';
import { ONNX_FILES } from '../delta/onnx-folder';
import { PROBLEMS } from '../delta/problems';
import { hubName } from '../model/known-models';
import { problemOfRun, type ReportParts } from './parts';
import { columnFlags, commandText, type Flag } from './shell';

/** Code that loads the result, for copying. */
export interface Snippet {
  title: string;
  /** Remark for the reader. */
  note?: string;
  code: string;
}

const EXAMPLE = 'The book was written by her.';
const SECOND = 'She wrote the book.';

/** Code for each existing result; paths are relative to the report. */
export function snippets(parts: ReportParts): Snippet[] {
  const { mask, metrics, exports: folders = [] } = parts;
  if (!mask || !metrics) return [];
  const all = [cli(parts)];
  if (folders.includes('checkpoint')) all.push(transformers(parts));
  if (folders.includes('peft')) all.push(peft(parts));
  if (folders.includes('onnx')) all.push(onnxruntime(parts), transformersJs(parts));
  return all;
}

/** True if a row has two texts. */
const ofPairs = ({ asked, metrics }: ReportParts) => {
  const task = asked?.rows.task ?? metrics?.task;
  const columns = task && task in TASKS ? TASKS[task as TaskName].textColumns : asked?.rows.textColumns;
  return columns?.length === 2;
};

/** Texts of an example as arguments of a call. */
const example = (parts: ReportParts) => (ofPairs(parts) ? `"${EXAMPLE}", "${SECOND}"` : `"${EXAMPLE}"`);

/** Path of the base model from the report's folder, or its name. */
const baseOf = ({ heads, asked }: ReportParts) => asked?.base ?? asked?.model ?? heads.model.name;

/** Path of the base model, or a name that other programs find. */
const hubOrBase = (parts: ReportParts) => parts.asked?.base ?? hubName(parts.heads.model) ?? baseOf(parts);

function cli(parts: ReportParts): Snippet {
  const { asked, heads, metrics } = parts;
  const {
    path,
    format = formatNamed(path),
    task,
    textColumns,
    delimiter,
  }: DataSource = asked?.rows ?? { path: heads.data.path };
  const flags: Flag[] = [
    ['model', baseOf(parts)],
    ['delta', 'delta'],
    // A folder's name has no format.
    ['data', format ? `new.${format}` : 'NEW_ROWS'],
    ...columnFlags({ task, textColumns, delimiter }, metrics?.task ?? undefined),
  ];
  return { title: 'hifi', note: 'One line of JSON per row.', code: commandText('npx hifi predict', flags) };
}

/** Names of the model's kind in Hugging Face's libraries. */
const namesOf = (parts: ReportParts) => PROBLEMS[problemOfRun(parts)].transformers;

function transformers(parts: ReportParts): Snippet {
  const model = `AutoModel${namesOf(parts).modelClass}`;
  return {
    title: 'transformers',
    code: `from transformers import ${model}, AutoTokenizer

model = ${model}.from_pretrained("checkpoint").eval()
tokenizer = AutoTokenizer.from_pretrained("checkpoint")
logits = model(**tokenizer(${example(parts)}, return_tensors="pt")).logits`,
  };
}

function peft(parts: ReportParts): Snippet {
  const { taskHead } = parts;
  const model = `AutoModel${namesOf(parts).modelClass}`;
  const labels = taskHead ? labelArguments(taskHead) : 'num_labels=…, id2label=…';
  return {
    title: 'peft',
    note: taskHead === undefined ? 'peft/README.md lists the labels.' : undefined,
    code: `from peft import PeftModel
from transformers import ${model}, AutoTokenizer

base = ${JSON.stringify(hubOrBase(parts))}  # its name on the Hub, or its folder
model = ${model}.from_pretrained(
    base, dtype="float32", ignore_mismatched_sizes=True, ${labels}
)
model = PeftModel.from_pretrained(model, "peft").eval()
tokenizer = AutoTokenizer.from_pretrained(base)
logits = model(**tokenizer(${example(parts)}, return_tensors="pt")).logits`,
  };
}

function onnxruntime(parts: ReportParts): Snippet {
  return {
    title: 'onnxruntime',
    code: `import numpy as np
import onnxruntime
from tokenizers import Tokenizer

row = Tokenizer.from_file("onnx/tokenizer.json").encode(${example(parts)})
session = onnxruntime.InferenceSession("onnx/${parts.metrics?.onnx?.[0].file ?? ONNX_FILES.fp32}")
given = {"input_ids": row.ids, "attention_mask": row.attention_mask, "token_type_ids": row.type_ids}
inputs = {each.name: np.array([given[each.name]], dtype=np.int64) for each in session.get_inputs()}
logits = session.run(["logits"], inputs)[0]`,
  };
}

function transformersJs(parts: ReportParts): Snippet {
  const pairs = ofPairs(parts);
  const { modelClass, pipeline } = namesOf(parts);
  const given = pairs ? `'${EXAMPLE}', { text_pair: '${SECOND}' }` : `'${EXAMPLE}'`;
  return {
    title: 'transformers.js',
    // The pipeline returns labels only and accepts no pairs.
    code:
      pairs || parts.taskHead?.id2label === null
        ? `import { AutoModel${modelClass}, AutoTokenizer, env } from '@huggingface/transformers';

env.localModelPath = '.';
const model = await AutoModel${modelClass}.from_pretrained('onnx');
const tokenizer = await AutoTokenizer.from_pretrained('onnx');
const { logits } = await model(tokenizer(${given}));
console.log(logits.tolist());`
        : `import { env, pipeline } from '@huggingface/transformers';

env.localModelPath = '.';
const classify = await pipeline('${pipeline}', 'onnx');
console.log(await classify('${EXAMPLE}'));`,
  };
}
