/// <reference lib="dom" />
import type { DeltaVersion, Double, Epoch, Job, JobEvent } from './messages';

/**
 * Program of the live page. The page holds this function's text, so the function uses nothing but
 * what browsers have, and imports types alone.
 */
export function program(): void {
  const ENDS = ['SUCCEEDED', 'FAILED', 'CANCELLED'];
  const at = <T extends HTMLElement>(id: string) => document.getElementById(id) as T;
  const jobs = new Map<string, Job>();
  let shown: string | undefined;
  let events: EventSource | undefined;

  const stateOf = (job: Job) => String(job.state ?? '').replace('JOB_STATE_', '');
  const wordOf = (job: Job) => stateOf(job).toLowerCase();
  const make = (tag: string, text = '', props: Record<string, unknown> = {}) =>
    Object.assign(document.createElement(tag), { textContent: text }, props) as HTMLElement;
  const digits = (value: Double = 0) => Number(value).toFixed(4);
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
    if (error) return error.message ?? '';
    return metrics?.best ? `${metrics.metric} ${digits(metrics.best.value)}` : '';
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
    at('summary').textContent = `${sorted.length} job${sorted.length === 1 ? '' : 's'}, ${work} at work or waiting`;
  };
  /** Returns true for newer data: answers and changes arrive independently, in any order. */
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
            ['best', `${job.metrics.metric} ${digits(job.metrics.best.value)} in epoch ${job.metrics.best.epoch}`] as [
              string,
              string,
            ],
          ]
        : []),
      ...(job.registered ? [['registered', job.registered] as [string, string]] : []),
      ...(job.error ? [['error', job.error.message ?? ''] as [string, string]] : []),
      ...(job.warnings ?? []).map((warning) => ['warning', warning] as [string, string]),
    ];
    at('facts').replaceChildren(...facts.flatMap(([name, value]) => [make('dt', name), make('dd', value)]));
    at('cancel').hidden = ENDS.includes(stateOf(job));
    const files = (job.artifacts ?? []).map(({ name }) => {
      const item = make('li');
      const href = `/jobs/${job.jobId}/${encodeURIComponent(name)}`;
      item.append(make('a', name, { href, target: '_blank', rel: 'noopener' }));
      return item;
    });
    at('files').replaceChildren(...files);
    at('filesTitle').hidden = files.length === 0;
  };

  /** Loss of the training steps, as a line. */
  const losses: number[] = [];
  const drawLoss = () => {
    at('loss').hidden = losses.length < 2;
    if (losses.length < 2) return;
    const [width, height, margin] = [640, 150, 34];
    let [low, high] = [losses[0], losses[0]];
    for (const loss of losses) [low, high] = [Math.min(low, loss), Math.max(high, loss)];
    // About as many as there are pixels, the last among them.
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
  /** At the next frame: of a job that is looked at late all its events come at once. */
  let drawing = false;
  const drawLossSoon = () => {
    if (drawing) return;
    drawing = true;
    requestAnimationFrame(() => {
      drawing = false;
      drawLoss();
    });
  };
  const drawEpoch = ({ epoch, trainLoss, dev = {} }: Epoch) => {
    const names = Object.keys(dev).sort();
    at('epochs').hidden = false;
    at('epochNames').replaceChildren(
      ...['epoch', 'training loss', ...names.map((n) => `dev ${n}`)].map((n) => make('th', n)),
    );
    const row = make('tr');
    row.append(
      ...[epoch, trainLoss === undefined ? '' : digits(trainLoss), ...names.map((n) => digits(dev[n]))].map((value) =>
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
    const job = jobs.get(id);
    if (job) drawFacts(job);
    for (const row of at('rows').children) row.setAttribute('aria-selected', String(row.id === `job-${id}`));
    events = new EventSource(`/jobs/${id}/events`);
    // Each connection, a second one too, begins with the first event.
    events.onopen = () => {
      losses.length = 0;
      at('epochRows').replaceChildren();
    };
    events.addEventListener('event', ({ data }) => {
      const event: JobEvent = JSON.parse(data);
      if (event.progress?.loss !== undefined) {
        losses.push(Number(event.progress.loss));
        drawLossSoon();
      }
      if (event.epoch) drawEpoch(event.epoch);
    });
    events.addEventListener('end', () => events?.close());
  };

  /** The jobs as they are; those that were deleted are gone. @returns the status of the answer */
  const fill = async (): Promise<number> => {
    const known = [...jobs.keys()];
    const answer = await fetch('/jobs');
    if (!answer.ok) return answer.status;
    const { jobs: all } = (await answer.json()) as { jobs: Job[] };
    for (const id of known) if (!all.some((job) => job.jobId === id)) jobs.delete(id);
    for (const job of all.filter(isNews)) jobs.set(job.jobId, job);
    draw();
    return answer.status;
  };
  /** Versions of registered deltas that are newest or have an alias. */
  const fillDeltas = async () => {
    const answer = await fetch('/deltas');
    if (!answer.ok) return;
    const { deltas } = (await answer.json()) as { deltas: DeltaVersion[] };
    const rows = deltas.map(({ name, version, aliases = [], metric = '', metricValue, base, createTime }) => {
      const row = make('tr');
      row.append(
        make('td', name),
        make('td', String(version)),
        make('td', aliases.join(', ')),
        make('td', metricValue === undefined ? metric : `${metric} ${digits(metricValue)}`),
        make('td', base?.name, { title: `SHA-256 ${base?.sha256}` }),
        make('td', new Date(createTime).toLocaleString()),
      );
      return row;
    });
    at('deltaRows').replaceChildren(...rows);
    at('deltas').hidden = rows.length === 0;
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
    changes.addEventListener('deltas', fillDeltas);
    changes.onopen = async () => {
      // Changes while the connection was lost.
      await Promise.all([fill(), fillDeltas()]);
      const open = shown === undefined ? undefined : jobs.get(shown);
      if (open) drawFacts(open);
      at('away').hidden = true;
      document.body.dataset.ready = 'yes';
    };
    changes.onerror = () => {
      at('away').hidden = false;
      // The browser reconnects by itself, unless the answer was no stream: a restarted gateway
      // requires the token again.
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
