import { hasBfloat16, type Processor, requireBfloat16, thisProcessor } from '../../infra/bfloat16';

const amx: Processor = { model: 'A', flags: 'fpu avx512f avx512_bf16 amx_bf16 avx512_fp16 amx_tile' };
/** Processors on which oneDNN computes in float32, whatever the math mode says. */
const WITHOUT: Processor[] = [
  { model: 'Xeon Gold 6248', flags: 'fpu avx2 avx512f avx512_vnni' },
  { model: 'EPYC 9654', flags: 'fpu avx512f avx512_bf16 avx512_vnni' },
  { model: 'Apple M3', flags: '' },
  { model: 'a flag within another', flags: 'not_amx_bf16 amx_bf16x' },
];

test('a processor with amx_bf16 has bfloat16', () => {
  expect(hasBfloat16(amx)).toBe(true);
  for (const device of ['auto', 'cpu'] as const) expect(() => requireBfloat16(device, amx)).not.toThrow();
});

test.each(WITHOUT)('on $model one line says what is missing', (processor) => {
  expect(hasBfloat16(processor)).toBe(false);
  const message = `precision bf16 needs a processor with amx_bf16, and this one (${processor.model}) lacks it; use precision float32`;
  expect(() => requireBfloat16('auto', processor)).toThrow(expect.objectContaining({ code: 'UNSUPPORTED', message }));
});

test('bf16 on a GPU is an error', () => {
  const message = 'precision bf16 is for the CPU and the device is cuda; use device cpu, or precision float32';
  expect(() => requireBfloat16('cuda', amx)).toThrow(expect.objectContaining({ code: 'INVALID_INPUT', message }));
});

test("this machine's processor has a name, and flags on Linux x64", () => {
  const { model, flags } = thisProcessor();
  expect(model).not.toBe('');
  const listed = process.platform === 'linux' && process.arch === 'x64';
  expect(flags.split(' ').includes('fpu')).toBe(listed);
  expect(flags).not.toContain('\n');
});
