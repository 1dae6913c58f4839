/// <reference lib="dom" />
import { THEME_STYLE } from '../../report/draw/theme';

const STYLE = `${THEME_STYLE}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 28px 24px 64px; }
h1 { font-size: 24px; margin: 0 0 4px; }
h2 { font-size: 18px; margin: 36px 0 8px; overflow-wrap: anywhere; }
h3 { font-size: 14px; margin: 20px 0 4px; color: var(--quiet); }
p { margin: 0 0 12px; }
.quiet { color: var(--quiet); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 7px 16px 7px 0; border-bottom: 1px solid var(--line); vertical-align: middle; white-space: nowrap; }
th { color: var(--quiet); font-weight: 600; font-size: 13px; }
tr[aria-selected=true] td { background: var(--panel); }
button, input { font: inherit; color: var(--ink); background: var(--paper); border: 1px solid var(--quiet); border-radius: 6px; padding: 3px 10px; min-height: 30px; }
button { cursor: pointer; }
button.plain { border: 0; background: none; padding: 0 2px; color: var(--blue); text-decoration: underline; text-underline-offset: 2px; font-family: ui-monospace, monospace; font-size: 13px; }
:focus-visible { outline: 2px solid var(--blue); outline-offset: 2px; }
a { color: var(--blue); text-underline-offset: 2px; }
progress { width: 130px; height: 10px; accent-color: var(--blue); vertical-align: middle; margin-right: 8px; }
.state { display: inline-block; min-width: 92px; font-weight: 600; }
.state.failed, .state.cancelled { color: var(--tuned); }
.state.succeeded { color: var(--green); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 18px; margin: 0; }
dt { color: var(--quiet); }
dd { margin: 0; overflow-wrap: anywhere; }
ul { margin: 0; padding-left: 18px; columns: 2 300px; }
svg { display: block; max-width: 100%; height: auto; }
.error { color: var(--tuned); }
[hidden] { display: none !important; }
@media (max-width: 600px) { main { padding: 20px 14px 48px; } }
`;

/**
 * The page's whole program. It is sent as text and runs in the browser, so it may use nothing
 * outside.
 */
function program(): void {
  // biome-ignore lint/suspicious/noExplicitAny: messages in proto3's JSON form
  type Job = any;
  const ENDS = ['SUCCEEDED', 'FAILED', 'CANCELLED'];
  const at = <T extends HTMLElement>(id: string) => document.getElementById(id) as T;
  const jobs = new Map<string, Job>();
  let shown: string | undefined;
  let events: EventSource | undefined;

  const stateOf = (job: Job) => String(job.state ?? '').replace('JOB_STATE_', '');
  const wordOf = (job: Job) => stateOf(job).toLowerCase();
  const make = (tag: string, text = '', props: Record<string, unknown> = {}) =>
    Object.assign(document.createElement(tag), { textContent: text }, props) as HTMLElement;
  const seconds = (value: number) =>
    value < 90
      ? `${Math.round(value)} s`
      : value < 5400
        ? `${Math.round(value / 60)} min`
        : `${(value / 3600).toFixed(1)} h`;

  const progressOf = (job: Job): HTMLElement => {
    const cell = make('td');
    const { progress } = job;
    if (ENDS.includes(stateOf(job)) || !progress?.total) return cell;
    const { stage, done = 0, total, unit, remainingSeconds } = progress;
    const bar = make('progress', '', { max: total, value: done });
    bar.setAttribute('aria-label', `${stage} of job ${job.jobId}`);
    const left = remainingSeconds ? `, ${seconds(remainingSeconds)} left` : '';
    cell.append(bar, `${stage} ${done}/${total} ${unit}${left}`);
    return cell;
  };
  const resultOf = ({ metrics, error }: Job): string => {
    if (error) return error.message;
    return metrics?.best ? `${metrics.metric} ${(metrics.best.value ?? 0).toFixed(4)}` : '';
  };
  const rowOf = (job: Job): HTMLElement => {
    const row = make('tr');
    row.id = `job-${job.jobId}`;
    row.setAttribute('aria-selected', String(job.jobId === shown));
    const open = make('button', job.jobId, { className: 'plain', onclick: () => show(job.jobId) });
    const first = make('td');
    first.append(open);
    const state = make('td');
    state.append(make('span', wordOf(job), { className: `state ${wordOf(job)}` }));
    const created = make('td', new Date(job.createTime).toLocaleString());
    const result = make('td', resultOf(job).slice(0, 80), { title: resultOf(job) });
    row.append(first, state, created, make('td', job.spec?.model ?? ''), progressOf(job), result);
    return row;
  };
  const draw = () => {
    const sorted = [...jobs.values()].sort((a, b) => (a.jobId < b.jobId ? 1 : -1));
    const focused = document.activeElement?.closest('tr')?.id;
    at('rows').replaceChildren(...sorted.map(rowOf));
    if (focused) document.querySelector<HTMLElement>(`#${focused} button`)?.focus();
    at('none').hidden = sorted.length > 0;
    const work = sorted.filter((job) => !ENDS.includes(stateOf(job))).length;
    at('summary').textContent = `${sorted.length} jobs, ${work} at work or waiting`;
  };
  /** Returns true unless a newer state is known: answers and changes arrive in any order. */
  const isNews = (job: Job) => (job.lastSequence ?? 0) >= (jobs.get(job.jobId)?.lastSequence ?? 0);
  const take = (job: Job) => {
    if (!isNews(job)) return;
    const before = jobs.get(job.jobId);
    jobs.set(job.jobId, job);
    const row = document.getElementById(`job-${job.jobId}`);
    if (!before || !row) draw();
    else {
      const focused = row.contains(document.activeElement);
      const next = rowOf(job);
      row.replaceWith(next);
      if (focused) next.querySelector('button')?.focus();
    }
    if (before && stateOf(before) !== stateOf(job)) at('notice').textContent = `job ${job.jobId} is ${wordOf(job)}`;
    if (job.jobId === shown) drawFacts(job);
  };

  const drawFacts = (job: Job) => {
    const facts: [string, string][] = [
      ['state', wordOf(job)],
      ['attempt', String(job.attempt ?? 0)],
      ['trace', job.traceId || 'none'],
      ...(job.metrics?.best
        ? [
            [
              'best',
              `${job.metrics.metric} ${(job.metrics.best.value ?? 0).toFixed(4)} in epoch ${job.metrics.best.epoch}`,
            ] as [string, string],
          ]
        : []),
      ...(job.error ? [['error', job.error.message] as [string, string]] : []),
      ...(job.warnings ?? []).map((warning: string) => ['warning', warning] as [string, string]),
    ];
    at('facts').replaceChildren(...facts.flatMap(([name, value]) => [make('dt', name), make('dd', value)]));
    at('cancel').hidden = ENDS.includes(stateOf(job));
    const files = (job.artifacts ?? []).map(({ name }: { name: string }) => {
      const item = make('li');
      const href = `/jobs/${job.jobId}/${encodeURIComponent(name)}`;
      item.append(make('a', name, { href, target: '_blank', rel: 'noopener' }));
      return item;
    });
    at('files').replaceChildren(...files);
    at('filesTitle').hidden = files.length === 0;
  };

  /** Loss of the reported training steps. */
  const losses: number[] = [];
  const drawLoss = () => {
    at('loss').hidden = losses.length < 2;
    if (losses.length < 2) return;
    const [width, height, margin] = [640, 150, 34];
    let [low, high] = [losses[0], losses[0]];
    for (const loss of losses) [low, high] = [Math.min(low, loss), Math.max(high, loss)];
    // Draws about one point per pixel; the last one is always drawn.
    const every = Math.ceil(losses.length / width);
    const x = (i: number) => margin + (i / (losses.length - 1)) * (width - margin - 8);
    const y = (value: number) => 10 + (1 - (value - low) / (high - low || 1)) * (height - 24);
    const points = losses.flatMap((value, i) =>
      (losses.length - 1 - i) % every === 0 ? [`${x(i).toFixed(1)},${y(value).toFixed(1)}`] : [],
    );
    at('curve').setAttribute('points', points.join(' '));
    at('most').textContent = high.toFixed(2);
    at('least').textContent = low.toFixed(2);
    at('lossTitle').textContent =
      `training loss, ${losses.length} values, last ${losses[losses.length - 1].toFixed(4)}`;
  };
  /** True while a redraw waits for the next frame: the past events of a job arrive all at once. */
  let drawing = false;
  const drawLossSoon = () => {
    if (drawing) return;
    drawing = true;
    requestAnimationFrame(() => {
      drawing = false;
      drawLoss();
    });
  };
  const drawEpoch = ({ epoch, trainLoss, dev }: Job) => {
    const names = Object.keys(dev ?? {}).sort();
    at('epochs').hidden = false;
    at('epochNames').replaceChildren(
      ...['epoch', 'training loss', ...names.map((n) => `dev ${n}`)].map((n) => make('th', n)),
    );
    const row = make('tr');
    row.append(
      ...[epoch, trainLoss?.toFixed(4), ...names.map((n) => dev[n].toFixed(4))].map((value) =>
        make('td', String(value)),
      ),
    );
    at('epochRows').append(row);
  };
  const show = (id: string) => {
    shown = id;
    events?.close();
    losses.length = 0;
    at('epochRows').replaceChildren();
    at('epochs').hidden = true;
    at('detail').hidden = false;
    at('title').textContent = `Job ${id}`;
    drawLoss();
    drawFacts(jobs.get(id));
    for (const row of at('rows').children) row.setAttribute('aria-selected', String(row.id === `job-${id}`));
    events = new EventSource(`/jobs/${id}/events`);
    // Each connection, also a repeated one, starts with the first event.
    events.onopen = () => {
      losses.length = 0;
      at('epochRows').replaceChildren();
    };
    events.addEventListener('event', ({ data }) => {
      const event = JSON.parse(data);
      if (event.progress?.loss !== undefined) {
        losses.push(event.progress.loss);
        drawLossSoon();
      }
      if (event.epoch) drawEpoch(event.epoch);
    });
    events.addEventListener('end', () => events?.close());
  };

  /** Fetches all jobs and drops deleted ones. @returns the answer's HTTP status */
  const fill = async (): Promise<number> => {
    const known = [...jobs.keys()];
    const answer = await fetch('/jobs');
    if (!answer.ok) return answer.status;
    const { jobs: all } = await answer.json();
    for (const id of known) if (!all.some((job: Job) => job.jobId === id)) jobs.delete(id);
    for (const job of all.filter(isNews)) jobs.set(job.jobId, job);
    draw();
    return answer.status;
  };
  const begin = async () => {
    const status = await fill();
    if (status !== 200 && status !== 401) throw new Error(`status ${status}`);
    at('away').hidden = true;
    at('login').hidden = status !== 401;
    at('jobs').hidden = status === 401;
    if (status === 401) {
      at('token').focus();
      return;
    }
    const changes = new EventSource('/changes');
    changes.addEventListener('job', ({ data }) => take(JSON.parse(data)));
    changes.addEventListener('gone', ({ data }) => {
      jobs.delete(JSON.parse(data));
      draw();
    });
    changes.onopen = async () => {
      // Fetches the changes that happened while the connection was lost.
      await fill();
      const open = shown === undefined ? undefined : jobs.get(shown);
      if (open) drawFacts(open);
      at('away').hidden = true;
      document.body.dataset.ready = 'yes';
    };
    changes.onerror = () => {
      at('away').hidden = false;
      // The browser reconnects by itself, unless the answer was no stream: a restarted gateway
      // requests the token again.
      if (changes.readyState === EventSource.CLOSED) beginAgain();
    };
  };
  const beginAgain = () => void setTimeout(() => void begin().catch(beginAgain), 3000);
  at<HTMLFormElement>('loginForm').onsubmit = async (event) => {
    event.preventDefault();
    const body = at<HTMLInputElement>('token').value;
    const answer = await fetch('/session', { method: 'POST', headers: { 'x-hifi': '1' }, body });
    at('wrong').hidden = answer.ok;
    if (answer.ok) await begin();
  };
  at('cancel').onclick = async () => {
    const answer = await fetch(`/jobs/${shown}/cancel`, { method: 'POST', headers: { 'x-hifi': '1' } });
    if (answer.ok) take(await answer.json());
    else at('notice').textContent = await answer.text();
  };
  begin().catch(beginAgain);
}

/** Returns the page for one response. Its policy allows only code with this `nonce`. */
export const page = (nonce: string) => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>hifi jobs</title>
<link rel="icon" href="data:,">
<style nonce="${nonce}">${STYLE}</style>
</head>
<body>
<main>
<h1>hifi jobs</h1>
<p class="quiet" id="summary"></p>
<p id="away" class="error" hidden>The gateway is away; waiting for it.</p>
<p id="notice" class="quiet" role="status"></p>
<section id="login" hidden aria-label="Token">
<form id="loginForm"><p><label>The gateway's token <input id="token" type="password" autocomplete="off"></label> <button>Enter</button></p></form>
<p id="wrong" class="error" hidden>That is not the token.</p>
</section>
<section id="jobs" hidden aria-label="Jobs">
<div class="scroll" tabindex="0" role="region" aria-label="All jobs"><table>
<thead><tr><th scope="col">job</th><th scope="col">state</th><th scope="col">created</th><th scope="col">model</th><th scope="col">progress</th><th scope="col">result</th></tr></thead>
<tbody id="rows"></tbody>
</table></div>
<p id="none" class="quiet" hidden>No jobs yet.</p>
</section>
<section id="detail" hidden aria-labelledby="title">
<h2 id="title"></h2>
<dl id="facts"></dl>
<p></p>
<button id="cancel" hidden>Cancel the job</button>
<div id="loss" hidden>
<h3 id="lossTitle"></h3>
<svg viewBox="0 0 640 150" width="640" height="150" role="img" aria-labelledby="lossTitle">
<polyline id="curve" fill="none" stroke="var(--blue)" stroke-width="1.5" points=""/>
<text id="most" x="0" y="14" font-size="11" fill="var(--quiet)"></text>
<text id="least" x="0" y="140" font-size="11" fill="var(--quiet)"></text>
</svg>
</div>
<div id="epochs" hidden class="scroll" tabindex="0" role="region" aria-label="Epochs">
<h3>Epochs</h3>
<table><thead><tr id="epochNames"></tr></thead><tbody id="epochRows"></tbody></table>
</div>
<h3 id="filesTitle" hidden>Files</h3>
<ul id="files"></ul>
</section>
</main>
<script nonce="${nonce}">(${program})()</script>
</body>
</html>
`;
