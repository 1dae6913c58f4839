import { lastLines, runCommand } from '../../foundation/command';
import { cached, isCached } from '../../infra/cache';
import { freePorts } from './ports';
import { startProcess } from './server-process';

/**
 * S3 server of the tests: moto's, in Python. `go install` refuses SeaweedFS, and a build of its
 * sources downloads 2 GB.
 */
const PACKAGES = ['moto[s3]==5.2.5', 'flask==3.1.3', 'flask-cors==6.0.5'];
/** Folder of its packages in the cache. */
export const S3_FOLDER = 'python/moto-5.2.5';
/** Longest time of their download and installation, in milliseconds. */
const INSTALL_MS = 600_000;
/** Bucket that exists at its start. */
export const BUCKET = 'hifi';

/**
 * Installs the S3 server if it is missing. If that fails, it logs one line and continues: the tests
 * that need it fail with that reason.
 *
 * @param log receives a line if the server is installed or missing; none if it exists
 */
export async function setUpTestS3(log: (line: string) => void): Promise<void> {
  if (isCached(S3_FOLDER)) return;
  log('installing an S3 server for the tests (pip install moto)');
  await install().catch((error: Error) => log(`tests of S3 will fail: moto could not be installed: ${error.message}`));
}

const install = () =>
  cached(S3_FOLDER, async (folder) => {
    const args = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--target', folder, ...PACKAGES];
    const { status, output } = await runCommand('python3', args, { signal: AbortSignal.timeout(INSTALL_MS) });
    if (status !== 0) throw new Error(lastLines(output, 1)[0] ?? `pip ended with status ${status}`);
  });

export interface S3Server {
  port: number;
  /** Variables of a client: credentials and endpoint. */
  env: Record<string, string>;
  stop(): Promise<void>;
}

/**
 * Starts a real S3 server on the loopback interface. It has its objects in memory.
 *
 * @param env further variables of the server
 * @returns the server with an empty bucket
 * @throws Error with one line if it is not installed or does not start
 */
export async function startS3(env: Record<string, string> = {}): Promise<S3Server> {
  if (!isCached(S3_FOLDER)) throw new Error('this test needs an S3 server: npm test installs it (pip install moto)');
  const folder = await install();
  const [port] = await freePorts(1);
  const endpoint = `http://127.0.0.1:${port}`;
  const create = async () => {
    const answer = await fetch(`${endpoint}/${BUCKET}`, { method: 'PUT' }).catch(() => undefined);
    return answer?.ok || undefined;
  };
  const args = ['-m', 'moto.server', '-H', '127.0.0.1', '-p', String(port)];
  const { server } = await startProcess('python3', args, create, { PYTHONPATH: folder, ...env });
  return {
    port,
    env: { AWS_ENDPOINT_URL_S3: endpoint, AWS_ACCESS_KEY_ID: 'hifi', AWS_SECRET_ACCESS_KEY: 'secret' },
    stop: () => server.kill('SIGKILL'),
  };
}
