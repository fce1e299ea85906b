import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { ViewOf } from '@thrum/client';
import type uPlot from 'uplot';
import { dayName } from '../lib/format.ts';
import { useTopic } from '@thrum/client/react';
import { useMedia } from '../lib/live.ts';
import { Icon } from '../ui/icons.tsx';
import { Empty, RelTime, Skeleton, StaleChip } from '../ui/parts.tsx';
import type { DayScore } from './history.ts';
import { scoresOf } from './history.ts';
import { COMPONENT_NAMES, COMPONENTS } from './studio.ts';

const BANDS = { high: ['good', 'High'], good: ['good', 'Good'], fair: ['warn', 'Fair'], low: ['bad', 'Low'] } as const;

const signed = (n: number): string => `${n > 0 ? '+' : n < 0 ? '−' : '±'}${Math.abs(n).toFixed(1)}`;

/** Today's energy score: how much, why (points that add up to it), and the days before. */
export function Energy({ userId, name }: { readonly userId: string; readonly name?: string }) {
  const { value: view, status, error } = useTopic(`user:${userId}/energy`);
  const days = view?.days;
  const history = useMemo(() => scoresOf(days), [days]);
  return (
    <section class={`card energy ${status === 'stale' ? 'stale' : ''}`} aria-labelledby="energy-title">
      <header>
        <h2 id="energy-title">
          <Icon name="bolt" /> {name === undefined ? 'Energy' : `Energy of ${name}`}
        </h2>
        <StaleChip status={status} />
        <span class="spring" />
        {view?.computedAt !== undefined && (
          <span class="small muted">
            <RelTime at={view.computedAt} />
          </span>
        )}
      </header>
      <div class="body">
        {view === undefined && status !== 'denied' && <Skeleton lines={6} />}
        {status === 'denied' && (
          <Empty icon="bolt" title="No energy score">
            {error?.message}
          </Empty>
        )}
        {view !== undefined && view.score === undefined && (
          <Empty icon="bolt" title="Not enough data yet">
            {(view.missing ?? []).map((m) => `${COMPONENT_NAMES[m.component]}: ${m.reason.replaceAll('_', ' ')}`).join(' · ') ||
              'Connect a wearable to begin.'}
          </Empty>
        )}
        {view?.score !== undefined && (
          <>
            <div class="score">
              <Gauge score={view.score} />
              <div class="verdict">
                {view.band !== undefined && <span class={`chip ${BANDS[view.band][0]}`}>{BANDS[view.band][1]}</span>}
                {view.day !== undefined && (
                  <span class="small muted">
                    {view.day === view.today ? 'today' : dayName(view.day, { weekday: 'short', day: 'numeric', month: 'short' })}
                  </span>
                )}
                {view.confidenceLevel !== undefined && <span class="small muted">confidence {view.confidenceLevel}</span>}
              </div>
            </div>
            <Contributions points={view.points ?? {}} change={view.change} score={view.score} />
          </>
        )}
        <Chart days={history} />
      </div>
    </section>
  );
}

/** Half a ring from 0 to 100. */
function Gauge({ score }: { readonly score: number }) {
  const length = Math.PI * 80;
  const [whole, tenth] = score.toFixed(1).split('.');
  return (
    <div class="gauge" role="img" aria-label={`Energy score ${score.toFixed(1)} of 100`}>
      <svg viewBox="0 0 200 112" aria-hidden="true">
        <path d="M20 100a80 80 0 0 1 160 0" class="rail" />
        <path d="M20 100a80 80 0 0 1 160 0" class="fill" style={{ strokeDasharray: `${(score / 100) * length} ${length}` }} />
      </svg>
      <p aria-hidden="true">
        <strong>{whole}</strong>
        <span>.{tenth}</span>
      </p>
    </div>
  );
}

type View = ViewOf<'user:x/energy'>;
type Points = NonNullable<View['points']>;

/** Points of each component; the stacked bar is as long as the score, because they add up to it. */
function Contributions({ points, change, score }: { readonly points: Points; readonly change: View['change']; readonly score: number }) {
  const shown = COMPONENTS.filter((c) => points[c] !== undefined);
  const delta = (c: string): string => {
    const part = change?.parts[c as keyof typeof change.parts];
    return part === undefined ? '' : signed(part.points);
  };
  const most = Math.max(1, ...shown.map((c) => points[c] ?? 0));
  return (
    <div class="contributions">
      <div class="stack" aria-hidden="true">
        {shown.map((c) => (
          <i key={c} style={{ width: `${points[c]}%`, background: `var(--${c})` }} />
        ))}
      </div>
      <table>
        <caption class="vh">What today's score of {score.toFixed(1)} is made of, in points</caption>
        <thead class="vh">
          <tr>
            <th scope="col">Component</th>
            <th scope="col">Share</th>
            <th scope="col">Points</th>
            <th scope="col">Change</th>
          </tr>
        </thead>
        <tbody>
          {shown.map((c) => (
            <tr key={c}>
              <th scope="row">
                <i class="key" style={{ background: `var(--${c})` }} />
                {COMPONENT_NAMES[c]}
              </th>
              <td class="barcell" aria-hidden="true">
                <i style={{ width: `${((points[c] ?? 0) / most) * 100}%`, background: `var(--${c})` }} />
              </td>
              <td class="num">{(points[c] ?? 0).toFixed(1)}</td>
              <td class="num small muted">{delta(c)}</td>
            </tr>
          ))}
        </tbody>
        <tfoot>
          <tr>
            <th scope="row">Score</th>
            <td aria-hidden="true" />
            <td class="num">{score.toFixed(1)}</td>
            <td class="num small muted">{change === undefined ? '' : signed(change.score)}</td>
          </tr>
        </tfoot>
      </table>
    </div>
  );
}

/** A sentence that says what the chart shows. */
export function sentence(days: readonly DayScore[]): string {
  const first = days[0];
  const last = days.at(-1);
  if (first === undefined || last === undefined) return 'No energy scores yet';
  const low = days.reduce((a, b) => (b.score < a.score ? b : a));
  const short: Intl.DateTimeFormatOptions = { day: 'numeric', month: 'short' };
  return `Energy score, ${days.length} days: from ${Math.round(first.score)} to ${Math.round(last.score)}, lowest ${Math.round(low.score)} on ${dayName(low.day, short)}`;
}

function Chart({ days }: { readonly days: readonly DayScore[] }) {
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const [table, setTable] = useState(false);
  const dark = useMedia('(prefers-color-scheme: dark)');
  const [theme, setTheme] = useState(document.documentElement.dataset['theme']);
  useEffect(() => {
    const watch = new MutationObserver(() => setTheme(document.documentElement.dataset['theme']));
    watch.observe(document.documentElement, { attributeFilter: ['data-theme'] });
    return () => watch.disconnect();
  }, []);
  useEffect(() => {
    const el = host.current;
    if (el === null || days.length < 2 || table) return undefined;
    let gone = false;
    let sizes: ResizeObserver | undefined;
    void draw(el, days).then((made) => {
      if (gone) return made.destroy();
      plot.current = made;
      sizes = new ResizeObserver(() => made.setSize({ width: el.clientWidth, height: 150 }));
      sizes.observe(el);
      return undefined;
    });
    return () => {
      gone = true;
      sizes?.disconnect();
      plot.current?.destroy();
      plot.current = undefined;
    };
  }, [days, table, dark, theme]);
  if (days.length < 2) return null;
  return (
    <figure class="chart">
      <figcaption>
        <h3>Last {days.length} days</h3>
        <button type="button" class="btn quiet s" aria-pressed={table} onClick={() => setTable(!table)}>
          {table ? 'Show as chart' : 'Show as table'}
        </button>
      </figcaption>
      {table ? (
        <div class="charttable" tabIndex={0} role="region" aria-label="Energy score by day">
          <table>
            <thead>
              <tr>
                <th scope="col">Day</th>
                <th scope="col">Score</th>
              </tr>
            </thead>
            <tbody>
              {[...days].reverse().map((d) => (
                <tr key={d.day}>
                  <td>{dayName(d.day, { weekday: 'short', day: 'numeric', month: 'short' })}</td>
                  <td class="num">{d.score.toFixed(1)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ) : (
        <div ref={host} class="plot" role="img" aria-label={sentence(days)} />
      )}
    </figure>
  );
}

async function draw(el: HTMLElement, days: readonly DayScore[]): Promise<uPlot> {
  const { default: UPlot } = await import('uplot');
  await import('uplot/dist/uPlot.min.css');
  // canvases know no light-dark(): take the colours as they are computed
  const probe = document.createElement('i');
  el.append(probe);
  const colour = (name: string): string => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const [ink, line, accent, soft] = [colour('ink-3'), colour('line'), colour('accent'), colour('accent-soft')];
  probe.remove();
  const axis = { stroke: ink, grid: { stroke: line, width: 1 }, ticks: { show: false }, font: '11px system-ui, sans-serif' };
  const data: uPlot.AlignedData = [days.map((d) => Date.parse(`${d.day}T12:00:00Z`) / 1_000), days.map((d) => d.score)];
  return new UPlot(
    {
      width: el.clientWidth,
      height: 150,
      legend: { show: false },
      cursor: { y: false, points: { size: 8 } },
      scales: { y: { range: [0, 100] } },
      axes: [
        {
          ...axis,
          grid: { show: false },
          space: 56,
          values: (_u, ticks) =>
            ticks.map((t) => dayName(new Date(t * 1_000).toISOString().slice(0, 10), { day: 'numeric', month: 'short' })),
        },
        { ...axis, size: 34, splits: [0, 40, 60, 80, 100] },
      ],
      series: [{}, { stroke: accent, width: 2, fill: soft, points: { show: days.length <= 31, size: 5, fill: accent } }],
    },
    data,
    el,
  );
}
