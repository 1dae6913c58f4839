import { LABELS } from '../data/labels';
import { architectureOf } from '../model/architectures';
import type { Checkpoint } from '../model/checkpoint';
import { hubName } from '../model/known-models';
import { unnamedPad } from '../model/pad-token';
import { unnamedSettings } from '../model/tokenizer/files';
import type { DeltaInfo, TaskHeadInfo } from './delta-info';
import { PROBLEMS, problemStoredAs } from './problems';

/** README.md of an adapter: a Hugging Face model card that says what it is and how to load it. */
export function adapterCard(info: DeltaInfo, { config, folder }: Pick<Checkpoint, 'config' | 'folder'>): string {
  const { base, mask, id2label, task } = info;
  const { pipeline, modelClass } = PROBLEMS[problemStoredAs(info.problemType)].transformers;
  // A task head that reads the last token finds it by the padding token.
  const { padsAsTokenizer } = architectureOf(config);
  const isOther = padsAsTokenizer && config.raw.pad_token_id !== config.padTokenId;
  const padding = isOther ? `, pad_token_id=${config.padTokenId}` : '';
  const text = padsAsTokenizer && unnamedPad(folder, config.padTokenId);
  const settings = pythonArguments(unnamedSettings(folder));
  const units = mask.neurons ?? mask.heads;
  const [unit, kind] = mask.neurons ? ['neuron', 'feed-forward neuron'] : ['head', 'attention head'];
  const layers = new Set(units.map(({ layer }) => layer)).size;
  const many = (count: number, name: string) => `${count} ${name}${count === 1 ? '' : 's'}`;
  const hub = hubName(base, folder);
  const head = id2label === null ? 'the task head, which answers with a number,' : 'the task head';
  return `---
${hub === undefined ? '' : `base_model: ${JSON.stringify(hub)}\n`}library_name: peft
pipeline_tag: ${pipeline}
---

# ${many(units.length, `tuned ${kind}`)} as a LoRA adapter

${many(units.length, unit)} in ${many(layers, 'layer')} of \`${hub ?? base.name}\` (SHA-256 of its weights \`${base.sha256}\`)
and ${head} were tuned${task === null ? '' : ` on ${task}`}.
The adapter is exact: the one-hot halves of A and B select the tuned rows.

\`\`\`python
from peft import PeftModel
from transformers import AutoModel${modelClass}, AutoTokenizer

base = ${hub === undefined ? '"path/to/the/base"  # its folder' : `${JSON.stringify(hub)}  # its name on the Hub, or its folder`}
model = AutoModel${modelClass}.from_pretrained(
    base, dtype="float32", ignore_mismatched_sizes=True, ${labelArguments(info)}${padding}
)
model = PeftModel.from_pretrained(model, "path/to/this/folder").eval()
tokenizer = AutoTokenizer.from_pretrained(base${settings})${text ? `\ntokenizer.pad_token = ${JSON.stringify(text)}` : ''}
\`\`\`

\`transformers\` reports that the classifier is new or has another size; the adapter contains it (\`modules_to_save\`). Servers that load
LoRA adapters but refuse \`modules_to_save\` or trained biases do not accept it: give them the merged checkpoint or the ONNX file.
`;
}

/** Python arguments after another one. @param values true, false or null */
const pythonArguments = (values: Record<string, unknown>) =>
  Object.entries(values)
    .map(([name, value]) => `, ${name}=${value === null ? 'None' : value ? 'True' : 'False'}`)
    .join('');

/** Python arguments of `from_pretrained` that give a base model this task head's labels. */
export function labelArguments({ id2label, problemType }: Omit<TaskHeadInfo, 'task'>): string {
  const problem = problemStoredAs(problemType);
  const { config } = PROBLEMS[problem];
  const { several } = LABELS[problem];
  if (id2label === null) return `num_labels=1, problem_type="${config.problem_type}"`;
  const entries = Object.entries(id2label).map(([id, label]) => `${id}: ${JSON.stringify(label)}`);
  const labels = `num_labels=${entries.length}, id2label={${entries.join(', ')}}`;
  // Several labels per row are the one problem that a pipeline cannot infer from their number.
  return several ? `${labels}, problem_type="${config.problem_type}"` : labels;
}
