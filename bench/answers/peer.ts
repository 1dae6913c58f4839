import { type ChildProcess, spawn } from 'node:child_process';
import * as path from 'node:path';
import { createInterface } from 'node:readline';
import { Client, credentials } from '@grpc/grpc-js';

const PROGRAM = path.join(__dirname, '../peer_answers.py');

const toBytes = (request: unknown) => Buffer.from(JSON.stringify(request));
const fromBytes = (answer: Buffer): unknown[] => [JSON.parse(answer.toString())]; // grpc-js takes null for no message

/** Peer's gRPC server (`bench/peer_answers.py`). */
export class Peer {
  private constructor(
    private readonly child: ChildProcess,
    private readonly client: Client,
  ) {}

  static async start(python: string, args: readonly string[]): Promise<Peer> {
    const child = spawn(python, [PROGRAM, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
    for await (const port of createInterface({ input: child.stdout })) {
      return new Peer(child, new Client(`127.0.0.1:${port}`, credentials.createInsecure()));
    }
    throw new Error(`${PROGRAM} ended before it was ready`);
  }

  call(method: 'Ask' | 'Save' | 'Load' | 'Forget', request: unknown): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.client.makeUnaryRequest(`/peer/${method}`, toBytes, fromBytes, request, (error, answer) =>
        error ? reject(error) : resolve(answer),
      );
    });
  }

  async stop(): Promise<void> {
    this.client.close();
    this.child.stdin!.end();
    await new Promise((resolve) => this.child.once('exit', resolve));
  }
}
