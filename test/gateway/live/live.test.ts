import * as fs from 'node:fs';
import * as http from 'node:http';
import * as path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { writeDelta } from '../../../delta/delta';
import { GrpcClient } from '../../../infra/grpc/client';
import { openCheckpoint } from '../../../model/checkpoint';
import { GatewayService } from '../../../proto/gen/hifi/v1/gateway_pb';
import { RegistryService } from '../../../proto/gen/hifi/v1/registry_pb';
import { openBrowser } from '../../support/browser';
import { FIXTURES, randomDelta, temporaryFolder } from '../../support/deltas';
import { endServices, Service } from '../../support/services';

const AXE = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const TOKEN = 'the right token';
const WEAK = 'a token to infer';
const rows = (name: string) => ({
  source: { case: 'path' as const, value: `tiny-data/${name}` },
  textColumns: ['sentence'],
  labelColumn: 'label',
});
const spec = (epochs: number) => ({
  model: 'tiny-bert',
  train: rows('train.tsv'),
  dev: rows('dev.tsv'),
  training: { epochs, batchSize: 8 },
  selection: { k: 1 },
  registerAs: 'tiny',
});

let folder: string;
let service: Service;
let gateway: GrpcClient;
let browser: Browser;
let port: number;
/** Console messages and foreign requests of the pages. */
let complaints: string[];

beforeAll(async () => {
  folder = temporaryFolder('live');
  fs.writeFileSync(path.join(folder, 'token'), `infer ${WEAK}\nadmin ${TOKEN}\n`);
  const checkpoint = await openCheckpoint(path.join(FIXTURES, 'tiny-bert'));
  const shape = { heads: [[1], [0]], labels: ['no', 'yes'] };
  writeDelta(path.join(folder, 'deltas/one'), randomDelta(checkpoint, shape));
  checkpoint.close();
  const ports = ['--gateway-port', '0', '--analyzer-port', '0', '--trainer-port', '0', '--http', '0'];
  const guard = ['--token-file', path.join(folder, 'token')];
  const state = ['--state-dir', path.join(folder, 'state'), '--data-root', FIXTURES];
  state.push('--data-root', path.join(folder, 'deltas'));
  service = await Service.start(['all', ...state, ...ports, ...guard]);
  port = (service.ports as Record<string, number>).http;
  gateway = new GrpcClient(`127.0.0.1:${service.ports.gateway}`, { token: TOKEN });
  browser = await openBrowser();
});
afterAll(async () => {
  await browser?.close();
  gateway?.close();
  await endServices();
  fs.rmSync(folder, { recursive: true, force: true });
});
beforeEach(() => {
  complaints = [];
});

const createJob = async (epochs: number) =>
  (await gateway.unary(GatewayService.method.createJob, { spec: spec(epochs) })).job!.jobId;

async function ended(jobId: string): Promise<void> {
  for await (const _ of gateway.stream(GatewayService.method.watchJob, { jobId }));
}

/** Opens the page and logs in with the token. */
async function onPage(use: (page: Page) => Promise<void>, options: BrowserContextOptions = {}) {
  const context = await browser.newContext({ viewport: { width: 1200, height: 900 }, ...options });
  try {
    const page = await context.newPage();
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('console', (message) => {
      // The browser logs the 401 that the login form answers.
      if (!message.text().includes('401')) complaints.push(message.text());
    });
    page.on('request', (request) => {
      if (!request.url().startsWith(`http://127.0.0.1:${port}/`) && !request.url().startsWith('data:')) {
        complaints.push(request.url());
      }
    });
    await page.goto(`http://127.0.0.1:${port}/`);
    await page.fill('#token', TOKEN);
    await page.click('text=Enter');
    await page.waitForSelector('body[data-ready=yes]');
    await use(page);
    expect(complaints).toEqual([]);
  } finally {
    await context.close();
  }
}

/** Sends a request to the server, as any program can. */
function request(
  at: string,
  { method = 'GET', headers = {}, body = '' }: http.RequestOptions & { body?: string } = {},
) {
  return new Promise<{ status: number; headers: http.IncomingHttpHeaders; body: string }>((resolve, reject) => {
    const request = http.request({ host: '127.0.0.1', port, path: at, method, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk) => (text += chunk));
      response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, body: text }));
    });
    request.on('error', reject).end(body);
  });
}

test('a job appears, progresses and ends without a reload; its epochs, loss and report are shown', async () => {
  await onPage(async (page) => {
    const jobId = await createJob(80); // long enough for several progress events, four per second
    const row = page.locator(`#job-${jobId}`);
    await row.waitFor();
    expect(await page.textContent('#summary')).toMatch(/^1 job, [01] at work or waiting$/);
    await row.locator('button').click();
    await page.locator('#epochRows tr').first().waitFor();
    await row.locator('.state.succeeded').waitFor({ timeout: 60_000 });
    expect(await page.locator('#epochRows tr').count()).toBe(80);
    expect((await page.locator('#curve').getAttribute('points'))!.split(' ').length).toBeGreaterThan(1);
    expect(await row.textContent()).toMatch(/accuracy 0\.\d{4}|accuracy 1\.0000/);
    expect(await page.textContent('#notice')).toBe(`job ${jobId} is succeeded`);

    // Its delta is registered, and a promotion appears too.
    const delta = page.locator('#deltaRows tr').first();
    await delta.waitFor();
    expect(await page.textContent('#facts')).toContain('tiny:1');
    expect(await delta.locator('td').allTextContents()).toEqual([
      ...['tiny', '1', '', expect.stringMatching(/^accuracy [01]\.\d{4}$/), 'tiny-bert'],
      expect.anything(),
    ]);
    const change = { case: 'version' as const, value: 1 };
    await gateway.unary(RegistryService.method.setAlias, { name: 'tiny', alias: 'prod', change });
    await delta.locator('td', { hasText: /^prod$/ }).waitFor();

    const [report] = await Promise.all([page.waitForEvent('popup'), page.click('text=report.html')]);
    await report.waitForLoadState();
    expect(await report.textContent('h1')).toContain('tiny-bert');
  });
});

test('a job is cancelled from the page', async () => {
  await onPage(async (page) => {
    const jobId = await createJob(5000);
    await page.locator(`#job-${jobId} button`).click();
    await page.locator(`#job-${jobId} progress`).waitFor();
    await page.click('#cancel');
    await page.locator(`#job-${jobId} .state.cancelled`).waitFor();
    await page.locator('#cancel').waitFor({ state: 'hidden' });
  });
});

test.each([
  ['light', { colorScheme: 'light' }],
  ['dark', { colorScheme: 'dark' }],
  ['narrow', { viewport: { width: 400, height: 800 } }],
] as const)('axe finds no fault: %s', async (_, options) => {
  const jobId = await createJob(1);
  await ended(jobId);
  await onPage(async (page) => {
    await page.locator(`#job-${jobId} button`).click();
    await page.locator('#epochRows tr').first().waitFor();
    await page.evaluate(AXE);
    // biome-ignore lint/suspicious/noExplicitAny: of the page
    const { violations } = await page.evaluate(() => (globalThis as any).axe.run());
    // biome-ignore lint/suspicious/noExplicitAny: axe's own form
    expect(violations.map(({ id, nodes }: any) => [id, nodes[0].html])).toEqual([]);
    if (process.env.HIFI_SHOTS)
      await page.screenshot({ path: `${process.env.HIFI_SHOTS}/live-${_}.png`, fullPage: true });
  }, options);
});

test('a job can be opened by keyboard alone', async () => {
  const jobId = await createJob(1);
  await ended(jobId);
  await onPage(async (page) => {
    await page.locator(`#job-${jobId} button`).focus();
    await page.keyboard.press('Enter');
    expect(await page.textContent('#title')).toBe(`Job ${jobId}`);
  });
});

test('without the token nothing is served, and other pages cannot change anything', async () => {
  for (const at of ['/jobs', '/deltas', '/changes', '/jobs/x/events', '/jobs/x/report.html']) {
    expect(await request(at)).toMatchObject({ status: 401, body: 'the token is missing\n' });
  }
  const session = (body: string, headers = {}) => request('/session', { method: 'POST', body, headers });
  expect((await session(TOKEN)).status).toBe(403); // no x-hifi, like a form of another page
  expect((await session('wrong', { 'x-hifi': '1' })).status).toBe(401);
  expect(await session(WEAK, { 'x-hifi': '1' })).toMatchObject({
    status: 403,
    body: 'the live page needs a token of the role run; this one has the role infer\n',
  });
  const weak = { headers: { authorization: `Bearer ${WEAK}` } };
  expect((await request('/jobs', weak)).status).toBe(403);
  const entered = await session(TOKEN, { 'x-hifi': '1' });
  expect(entered.status).toBe(204);
  const [cookie] = entered.headers['set-cookie']!;
  expect(cookie).toMatch(/HttpOnly; SameSite=Strict/);
  expect(cookie).not.toContain(TOKEN);
  const headers = { cookie: cookie.split(';')[0] };
  expect((await request('/jobs', { headers })).status).toBe(200);
  expect((await request('/jobs', { headers: { authorization: `Bearer ${TOKEN}` } })).status).toBe(200);
  // A foreign name that temporarily resolves to this address (DNS rebinding).
  expect((await request('/jobs', { headers: { ...headers, host: 'rebound.example' } })).status).toBe(421);
  const { jobs } = JSON.parse((await request('/jobs', { headers })).body);
  const cancel = `/jobs/${jobs[0].jobId}/cancel`;
  expect((await request(cancel, { method: 'POST', headers })).status).toBe(403);
});

test('POST /v1/classify is answered by the analyzer', async () => {
  const classify = (message: object, token = WEAK) =>
    request('/v1/classify', {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(message),
    });
  const asked = { model: 'tiny-bert', deltas: [{ path: 'one' }], texts: ['a text', 'another'], top: 0 };
  const answer = await classify(asked);
  expect(answer.status).toBe(200);
  const { results } = JSON.parse(answer.body);
  expect(results).toMatchObject([{ delta: { path: 'one' }, problem: 'single-label', labelNames: ['no', 'yes'] }]);
  expect(results[0].rows).toHaveLength(2);
  for (const { labels, logits } of results[0].rows) {
    expect(labels[0].score).toBeCloseTo(1 / (1 + Math.exp(-Math.abs(logits[0] - logits[1]))), 12);
  }

  const wrong = await classify({ ...asked, deltas: [{ name: 'none' }] });
  expect([wrong.status, JSON.parse(wrong.body).code]).toEqual([404, 5]);
  const bad = await classify({ ...asked, texts: [] });
  expect([bad.status, JSON.parse(bad.body)]).toMatchObject([400, { details: [{ reason: 'INVALID_INPUT' }, {}] }]);
  expect((await classify(asked, 'wrong')).status).toBe(401);
});

test("a missing file is a 404, and no name leaves the server's files", async () => {
  const headers = { authorization: `Bearer ${TOKEN}` };
  const { jobs } = JSON.parse((await request('/jobs', { headers })).body);
  const at = async (url: string) => (await request(url, { headers })).status;
  expect(await at('/jobs/none/report.html')).toBe(404);
  expect(await at(`/jobs/${jobs[0].jobId}/..%2F..%2Fgateway.lock`)).toBe(404);
  expect(await at('/etc/passwd')).toBe(404);
  expect(await at(`/jobs/${jobs[0].jobId}/%`)).toBe(404);
  const own = { ...headers, host: `LOCALHOST:${port}` };
  expect((await request('/jobs', { headers: own })).status).toBe(200);
  const [{ name }] = jobs[0].artifacts ?? [{ name: 'heads.json' }];
  expect(await at(`/jobs/${jobs[0].jobId}/${name}`)).toBe(200);
  expect(service.log).not.toContain(TOKEN);

  // A file that the record names, but that the store has lost.
  const stored = jobs.flatMap(
    ({ jobId, artifacts = [] }: { jobId: string; artifacts?: { name: string; sha256: string }[] }) =>
      artifacts.map((artifact) => ({ jobId, ...artifact })),
  );
  const { jobId, name: lost, sha256 } = stored.at(-1)!;
  fs.rmSync(path.join(folder, 'state', 'artifacts', 'sha256', sha256));
  expect(await at(`/jobs/${jobId}/${lost}`)).toBe(404);
});

test('a restarted gateway requests the token from an open page, which then shows no job and no epoch twice', async () => {
  const jobId = await createJob(3);
  await ended(jobId);
  const gone = await createJob(1);
  await ended(gone);
  await onPage(async (page) => {
    await page.locator(`#job-${jobId} button`).click();
    await page.locator('#epochRows tr').nth(2).waitFor();
    await service.kill();
    await page.locator('#away').waitFor();
    await service.restart();
    // The client waits a moment before it connects again.
    await gateway.unary(GatewayService.method.getJob, { jobId }).catch(() => setTimeout(3000));
    await gateway.unary(GatewayService.method.deleteJob, { jobId: gone });
    await page.locator('#login').waitFor();
    await page.fill('#token', TOKEN);
    await page.click('text=Enter');
    await page.locator('#away').waitFor({ state: 'hidden' });
    await page.locator(`#job-${gone}`).waitFor({ state: 'detached' });
    expect(await page.locator(`#job-${jobId}`).count()).toBe(1);
    await page.locator(`#job-${jobId} button`).click();
    await page.locator('#epochRows tr').nth(2).waitFor();
    expect(await page.locator('#epochRows tr').count()).toBe(3);
    // The browser logs refused connections.
    complaints = complaints.filter((line) => !line.includes('net::ERR_'));
  });
});
