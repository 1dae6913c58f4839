import type { ChildProcess } from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import * as ort from 'onnxruntime-node';
import { type Delta, writeDelta } from '../../delta/delta';
import { writeOnnxFiles } from '../../delta/onnx-files';
import { ONNX_FILES } from '../../delta/onnx-folder';
import { GrpcClient } from '../../infra/grpc/client';
import { type Checkpoint, openCheckpoint } from '../../model/checkpoint';
import { loadTokenizer } from '../../model/tokenizer';
import { type ClassifyResponse, InferenceService } from '../../proto/gen/hifi/v1/inference_pb';
import { randomDelta } from '../../test/support/deltas';
import { started } from '../services';

/** Heads of each layer of the upper half. */
const HEADS = 3;

/** Deltas that are drawn; further ones are other folders with the same files. */
const DRAWN = 64;

/** Words of one token each. */
const WORDS = ['the', 'result', 'of', 'this', 'work', 'is', 'not', 'what', 'they', 'had', 'in', 'mind', 'when', 'it'];

/** Text of this many tokens, with the special ones. Another number gives another text. */
export function textOf(tokens: number, number = 0): string {
  const words = Array.from({ length: tokens - 2 }, (_, i) => WORDS[(number * 31 + i * (number + 1)) % WORDS.length]);
  return words.join(' ');
}

/** Delta of mid-top: 3 heads of each layer of the upper half. Another number gives other heads. */
export function midTop(checkpoint: Checkpoint, number: number): Delta {
  const { layers: L, heads: H } = checkpoint.config;
  const heads = Array.from({ length: L }, (_, layer) => {
    if (layer < L >> 1) return [];
    const chosen = new Set<number>();
    for (let i = number + layer; chosen.size < HEADS; i = i * 5 + 1) chosen.add(i % H);
    return [...chosen].sort((a, b) => a - b);
  });
  return randomDelta(checkpoint, { heads, labels: ['no', 'yes'], scale: 0.02 + 0.02 / (1 + number) });
}

/** Analyzer in a process of its own, or all services; a base, and deltas below its data root. */
export class Served {
  private readonly client: GrpcClient;

  private constructor(
    readonly model: string,
    readonly checkpoint: Checkpoint,
    /** Data root of the service, which the bench may fill. */
    readonly root: string,
    readonly ports: Readonly<Record<string, number>>,
    private readonly child: ChildProcess,
  ) {
    this.client = new GrpcClient(`127.0.0.1:${ports.analyzer}`);
  }

  static async start(model: string, services: 'analyzer' | 'all'): Promise<Served> {
    const root = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-bench-'));
    const any = ['--analyzer-port', '0', '--gateway-port', '0', '--trainer-port', '0'];
    const args = [services, ...any, '--state-dir', path.join(root, 'state')];
    const { child, ports } = await started(args, [root, path.dirname(model)]);
    return new Served(model, await openCheckpoint(model), root, ports, child);
  }

  /** Resident memory of the service and its engine, in bytes. */
  memory(): number {
    const { pid } = this.child;
    const children = fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
    const pages = [pid, ...children].map((each) =>
      Number(fs.readFileSync(`/proc/${each}/statm`, 'utf8').split(' ')[1]),
    );
    return 4096 * pages.reduce((sum, of) => sum + of, 0);
  }

  /** Writes some deltas. @returns their folders */
  deltas(count: number): string[] {
    return Array.from({ length: count }, (_, i) => {
      const folder = path.join(this.root, `delta-${i}`);
      if (fs.existsSync(folder)) return folder;
      if (i < DRAWN) writeDelta(folder, midTop(this.checkpoint, i));
      else linkFiles(path.join(this.root, `delta-${i % DRAWN}`), folder);
      return folder;
    });
  }

  /** Writes the ONNX folder of a delta merged into the base. */
  merged(number: number): string {
    const folder = path.join(this.root, `onnx-${number}`);
    if (fs.existsSync(folder)) return folder;
    fs.mkdirSync(folder);
    writeOnnxFiles({ checkpoint: this.checkpoint, delta: midTop(this.checkpoint, number), dtypes: ['fp32'], folder });
    return folder;
  }

  classify(deltas: readonly string[], ...texts: string[]): Promise<ClassifyResponse> {
    const paths = deltas.map((value) => ({ delta: { case: 'path' as const, value } }));
    return this.client.unary(InferenceService.method.classify, { model: this.model, deltas: paths, texts });
  }

  async stop(): Promise<void> {
    this.client.close();
    this.checkpoint.close();
    this.child.kill('SIGTERM');
    await new Promise((resolve) => this.child.once('exit', resolve));
    fs.rmSync(this.root, { recursive: true, force: true });
  }
}

function linkFiles(from: string, to: string): void {
  fs.mkdirSync(to);
  for (const name of fs.readdirSync(from)) fs.linkSync(path.join(from, name), path.join(to, name));
}

/**
 * Session of an ONNX folder in this process, with all cores.
 *
 * @param spins false: its threads sleep while they have no work, as onnxruntime's default is not
 */
export function sessionOf(folder: string, spins = true): Promise<ort.InferenceSession> {
  return ort.InferenceSession.create(path.join(folder, ONNX_FILES.fp32), {
    intraOpNumThreads: os.availableParallelism(),
    interOpNumThreads: 1,
    ...(!spins && { extra: { session: { intra_op: { allow_spinning: '0' } } } }),
  });
}

/** Inputs of an exported model for one text. @throws Error if it has another number of tokens */
export function inputsOf(model: string, text: string, tokens: number, { inputNames }: ort.InferenceSession) {
  const { ids, typeIds } = loadTokenizer(model).encode(text, undefined, 2 * tokens);
  if (ids.length !== tokens) throw new Error(`${text} has ${ids.length} tokens instead of ${tokens}`);
  const values = { input_ids: ids, attention_mask: ids.map(() => 1), token_type_ids: typeIds };
  const given = Object.entries(values).filter(([name]) => inputNames.includes(name));
  const tensor = (all: ArrayLike<number>) => new ort.Tensor('int64', Array.from(all, BigInt), [1, all.length]);
  return Object.fromEntries(given.map(([name, all]) => [name, tensor(all)]));
}
