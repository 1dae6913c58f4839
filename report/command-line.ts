import type { ReportParts } from './parts';
import { columnFlags, commandText, type Flag, fileFlags, labelFlags, longTextFlags } from './shell';

/**
 * Command that repeats this result. It has every option, so other defaults do not change it. Where
 * neither the results nor `asked` have a value, it has a placeholder in capitals.
 */
export function commandLine(parts: ReportParts): string {
  const { heads, mask, metrics, training, asked, exports: formats } = parts;
  const { samples, maxSamples, k, xi, maxLength, seed, exact, correlation, teleport, damping, scope } = heads.options;
  const rows = asked?.rows ?? { path: heads.data.path };
  const budget = mask?.budget;
  const flags: Flag[] = [
    ['model', asked?.model ?? heads.model.name],
    ['revision', asked?.revision],
    ...fileFlags(mask ? 'train' : 'data', rows),
    ...(asked?.dev ? fileFlags('dev', asked.dev) : []),
    ...columnFlags(rows, metrics?.task ?? undefined),
    ['samples', samples],
    ['max-samples', maxSamples],
    ['xi', xi],
    ['max-length', maxLength],
    ['exact', exact],
    ['seed', seed],
    ['correlation', correlation],
    ['teleport', teleport],
    ['damping', damping],
    ['scope', budget === undefined ? scope : undefined],
  ];
  if (mask) flags.push(['strategy', mask.strategy]);
  const perLayer = mask?.neurons ? mask.k : k;
  flags.push(['k', budget === undefined ? perLayer : undefined], ['budget', budget], ['tune', mask?.tune]);
  if (training) {
    const { epochs, batchSize, lr, warmup, weightDecay, earlyStopping, omitTexts, threads, precision } = training;
    const rate = metrics?.learningRate?.lr ?? lr;
    flags.push(['epochs', epochs], ['batch-size', batchSize], ['lr', rate], ['warmup', warmup]);
    flags.push(['weight-decay', weightDecay], ['early-stopping', earlyStopping]);
    flags.push(...longTextFlags(training), ...labelFlags(training), ['omit-texts', omitTexts], ['threads', threads]);
    flags.push(['precision', precision]);
    flags.push(['device', metrics?.deviceUsed ?? training.device]);
  } else flags.push(['device', heads.deviceUsed]);
  if (mask && formats && formats.length > 0) flags.push(['export', formats.join(',')]);
  if (formats?.includes('onnx') && metrics?.onnx) {
    flags.push(['onnx-dtype', metrics.onnx.map(({ dtype }) => dtype).join(',')]);
  }
  flags.push(['out', 'out']);
  return commandText(`npx hifi ${mask ? 'run' : 'analyze'}`, flags);
}
