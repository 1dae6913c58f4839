import type { DataSource } from '../data/dataset';
import type { ReportParts } from './parts';

/**
 * The command that makes this result, with every option said: another version's defaults would not change it. What the results
 * do not tell, and was not given as `asked`, stands as a word in capitals.
 */
export function commandLine(parts: ReportParts): string {
  const { heads, mask, metrics, training, asked, exports: made } = parts;
  const { samples, maxSamples, k, xi, maxLength, seed, exact, correlation, teleport, damping, scope } = heads.options;
  const rows = asked?.rows ?? { path: heads.data.path };
  const flags: [name: string, value: unknown][] = [
    ['model', asked?.model ?? heads.model.name],
    [mask ? 'train' : 'data', fileOf(rows)],
    ...(asked?.dev ? [['dev', fileOf(asked.dev)] as [string, unknown]] : []),
    ...columnFlags(rows, metrics?.task ?? undefined),
    ['samples', samples],
    ...(maxSamples === undefined ? [] : [['max-samples', maxSamples] as [string, unknown]]),
    ['xi', xi],
    ['max-length', maxLength],
    ...(exact ? [['exact', true] as [string, unknown]] : []),
    ['seed', seed],
    ['correlation', correlation],
    ['teleport', teleport],
    ['damping', damping],
    ...(mask?.budget === undefined ? [['scope', scope] as [string, unknown]] : []),
  ];
  if (!mask) flags.push(['k', k]);
  if (mask) {
    flags.push(['strategy', mask.strategy]);
    if (mask.budget === undefined) flags.push(['k', k]);
    else flags.push(['budget', mask.budget]);
    flags.push(['tune', mask.tune]);
  }
  if (training) {
    const { epochs, batchSize, lr, warmup, weightDecay, earlyStopping } = training;
    flags.push(['epochs', epochs], ['batch-size', batchSize], ['lr', lr], ['warmup', warmup]);
    flags.push(['weight-decay', weightDecay]);
    if (earlyStopping !== undefined) flags.push(['early-stopping', earlyStopping]);
    if (training.threads !== undefined) flags.push(['threads', training.threads]);
  }
  if (training) flags.push(['device', metrics?.deviceUsed ?? training.device]);
  else flags.push(['device', heads.deviceUsed]);
  if (mask && made && made.length > 0) flags.push(['export', made.join(',')]);
  flags.push(['out', 'out']);
  const words = flags.map(([name, value]) => (value === true ? `--${name}` : `--${name} ${shellWord(String(value))}`));
  return wrapped(`npx hifi ${mask ? 'run' : 'analyze'}`, words);
}

/** Standard input is a dash. */
const fileOf = ({ path }: DataSource) => (path === 'stdin' ? '-' : path);

function columnFlags({ task, textColumns, labelColumn, regression, format }: DataSource, known?: string) {
  const flags: [string, unknown][] = [];
  if (task) flags.push(['task', task]);
  else if (textColumns) flags.push(['text-columns', textColumns.join(',')]);
  else if (known) flags.push(['task', known]);
  if (labelColumn !== undefined) flags.push(['label-column', labelColumn]);
  if (regression) flags.push(['regression', true]);
  if (format !== undefined) flags.push(['format', format]);
  return flags;
}

/** As a POSIX shell takes it for one word. */
export const shellWord = (text: string) =>
  /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;

/** Characters of a line. */
const WIDTH = 92;

/** Words on lines that a shell reads as one. */
function wrapped(start: string, words: readonly string[]): string {
  const lines = [start];
  for (const word of words) {
    const last = lines.length - 1;
    if (lines[last].length + word.length + 3 > WIDTH) lines.push(`  ${word}`);
    else lines[last] += ` ${word}`;
  }
  return lines.join(' \\\n');
}
