import { spawn } from 'node:child_process';
import { findTool } from './tools';

export interface GrpcurlResult {
  /** Exit status: 0, or 64 plus the gRPC status code of a failed call. */
  status: number;
  stdout: string;
  stderr: string;
}

/**
 * Runs grpcurl as a user does, e.g. with `['-plaintext', '127.0.0.1:7070', 'list']`.
 *
 * @param options.input text for `-d @`; default: empty standard input
 * @throws Error if grpcurl is missing
 */
export function grpcurl(args: string[], { input = '' }: { input?: string } = {}): Promise<GrpcurlResult> {
  const program = findTool('grpcurl');
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    const result = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text) => {
        result[name] += text;
      });
    }
    child.once('error', reject);
    child.once('close', (status) => resolve({ status: status ?? -1, ...result }));
    // grpcurl may end before it has read all.
    child.stdin.on('error', () => {}).end(input);
  });
}
