import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { parse } from 'yaml';
import { hifi } from '../cli/spawn';

/* Checks the files of infra/compose as far as possible without a container engine. */
const checkout = path.join(__dirname, '../..');
const read = (name: string) => fs.readFileSync(path.join(checkout, 'infra/compose', name), 'utf8');

interface Service {
  image: string;
  build?: { context: string; dockerfile: string };
  command?: string | string[];
  environment?: Record<string, string | number>;
  ports?: string[];
  volumes?: string[];
  networks?: string[];
  secrets?: string[];
  deploy?: object;
}
interface Compose {
  services: Record<string, Service>;
  volumes: object;
  networks: object;
  secrets: object;
}

const { services, ...named }: Compose = parse(read('compose.yaml'), { merge: true });
const OURS = ['gateway', 'analyzer', 'trainer'];

/** Reads a Dockerfile's instructions, each as one line. */
const instructions = (name: string) =>
  read(name)
    .replace(/^\s*#.*\n/gm, '')
    .replace(/\\\n\s*/g, '')
    .split('\n')
    .filter((line) => line !== '');

test.each(OURS)('%s starts with existing flags and the addresses of the other services', (name) => {
  const { command, environment, ports } = services[name];
  const [service, ...words] = String(command).split(' ');
  expect(service).toBe(name);
  const help = hifi('serve', '--help').stdout;
  for (const flag of words.filter((word) => word.startsWith('--'))) expect(help).toMatch(new RegExp(` ${flag} `));
  for (const other of OURS) {
    const at = words.indexOf(`--${other}`);
    if (at >= 0) expect(words[at + 1]).toBe(`${other}:${services[other].environment?.PORT}`);
  }
  // The default port of the help text is both checked for health and published.
  const port = environment?.PORT;
  expect(help.replace(/\s+/g, ' ')).toContain(`the ${name}'s port; 0: any that is free (default: ${port})`);
  expect(ports).toEqual([`127.0.0.1:${port}:${port}`]);
});

test('ports are published only on the loopback; volumes, networks and secrets are declared', () => {
  for (const { ports = [], volumes = [], networks = [], secrets = [] } of Object.values(services)) {
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:(\d+):\1$/);
    for (const volume of volumes.map((each) => each.split(':')[0]).filter((each) => /^\w+$/.test(each))) {
      expect(Object.keys(named.volumes)).toContain(volume);
    }
    for (const network of networks) expect(Object.keys(named.networks)).toContain(network);
    for (const secret of secrets) expect(Object.keys(named.secrets)).toContain(secret);
  }
  const cuda: Compose = parse(read('compose.cuda.yaml'), { merge: true });
  for (const [name, { build, deploy }] of Object.entries(cuda.services)) {
    expect(OURS).toContain(name);
    expect(deploy).toBeDefined();
    expect(fs.existsSync(path.join(checkout, build?.dockerfile ?? ''))).toBe(true);
  }
});

test.each(['Dockerfile', 'Dockerfile.cuda'])('%s copies existing files from existing stages', (name) => {
  const lines = instructions(name);
  const stages = lines.flatMap((line) => /^FROM .* AS (\w+)$/.exec(line)?.[1] ?? []);
  const ignore = read(`${name}.dockerignore`).split('\n');
  for (const line of lines.filter((each) => each.startsWith('COPY '))) {
    const from = /--from=(\w+)/.exec(line)?.[1];
    const sources = line
      .split(' ')
      .slice(1, -1)
      .filter((word) => !word.startsWith('--'));
    if (from) expect(stages).toContain(from);
    else for (const source of sources.filter((each) => each !== '.')) expect(ignore).toContain(`!${source}`);
  }
  for (const file of ignore.filter((each) => /^![^*]+$/.test(each))) {
    expect(fs.existsSync(path.join(checkout, file.slice(1)))).toBe(true);
  }
});

test('every built file reaches the image', () => {
  const ignore = read('Dockerfile.dockerignore').split('\n');
  const { exclude } = JSON.parse(fs.readFileSync(path.join(checkout, 'tsconfig.build.json'), 'utf8'));
  const rooms = fs.readdirSync(checkout, { withFileTypes: true }).filter((entry) => {
    if (!entry.isDirectory() || entry.name.startsWith('.') || exclude.includes(entry.name)) return false;
    return fs
      .readdirSync(path.join(checkout, entry.name), { recursive: true })
      .some((file) => `${file}`.endsWith('.ts'));
  });
  expect(rooms.map(({ name }) => `!${name}`).filter((name) => !ignore.includes(name))).toEqual([]);
});

test("the image's set-up steps work in a folder with the copied files", () => {
  const app = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-image-'));
  try {
    const lines = instructions('Dockerfile');
    const own = lines.slice(lines.findIndex((line) => / AS parts$/.test(line)));
    const [packages, setUp, model] = own.filter((line) => /^RUN (npm|node) /.test(line)).map((line) => line.slice(4));
    expect(packages).toMatch(/^npm ci .*--omit=dev/);
    const manifest = JSON.parse(fs.readFileSync(path.join(checkout, 'package.json'), 'utf8'));
    fs.copyFileSync(path.join(checkout, 'package.json'), path.join(app, 'package.json'));
    fs.cpSync(path.join(checkout, 'dist'), path.join(app, 'dist'), { recursive: true });
    // Instead of npm's download: this checkout's packages that are needed at run time.
    for (const name of Object.keys(manifest.dependencies)) {
      const link = path.join(app, 'node_modules', name);
      fs.mkdirSync(path.dirname(link), { recursive: true });
      fs.symlinkSync(fs.realpathSync(path.join(checkout, 'node_modules', name)), link);
    }
    const { NODE_OPTIONS: _, ...env } = process.env;
    for (const command of [setUp, model, 'node dist/cli/hifi.js serve --help']) {
      const { status, stderr } = spawnSync('sh', ['-c', command], {
        cwd: app,
        env: { ...env, MODEL: 'all-MiniLM-L6-v2' },
        encoding: 'utf8',
      });
      expect([command, status, status === 0 ? '' : stderr]).toEqual([command, 0, '']);
    }
  } finally {
    fs.rmSync(app, { recursive: true });
  }
});
