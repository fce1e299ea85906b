import { useTopic } from '@thrum/client/react';
import { useEffect, useState } from 'preact/hooks';
import { clock, lasting } from '../lib/format.ts';
import { connect, Live } from '../lib/live.ts';
import { Icon } from '../ui/icons.tsx';
import { ConnectionPill, Empty, ErrorNote, Skeleton } from '../ui/parts.tsx';
import type { QueueHealth } from './api.ts';
import { DeadJobs } from './DeadJobs.tsx';
import { Jobs } from './Jobs.tsx';

/** How a queue does, as a tone and a word. */
function wordOf({ status, oldestWaitingAgeS }: QueueHealth): readonly [tone: 'good' | 'warn' | 'bad', word: string] {
  if (status === 'green') return ['good', 'Fine'];
  if (status === 'red') return ['bad', oldestWaitingAgeS > 300 ? 'Very late' : 'Jobs die'];
  return ['warn', oldestWaitingAgeS > 60 ? 'Late' : 'Dead jobs'];
}

const COUNTS = [
  ['waiting', 'Waiting', 'due and not begun'],
  ['active', 'Active', 'under way'],
  ['delayed', 'Delayed', 'not due yet'],
  ['retrying', 'Failed', 'failed before and will be tried again'],
  ['dead', 'Dead', 'given up'],
] as const;

const rateOf = (n: number): string => (n >= 10 || Number.isInteger(n) ? n.toFixed(0) : n.toFixed(1));

/** The queues of background jobs as they are now, and the jobs of one of them. */
export function Queues({ chosen }: { readonly chosen: string | undefined }) {
  const [client] = useState(connect);
  useEffect(() => {
    client.connect();
    return () => void client.close();
  }, [client]);
  return (
    <Live client={client}>
      <Board chosen={chosen} />
    </Live>
  );
}

function Board({ chosen }: { readonly chosen: string | undefined }) {
  const { value, status, error } = useTopic('ops/queues');
  const queues = Object.values(value?.queues ?? {}).sort((a, b) => (a.queue < b.queue ? -1 : 1));
  const shown = queues.find((q) => q.queue === chosen) ?? queues.find((q) => q.dead > 0);
  return (
    <div class="stackcards">
      <section class="card" aria-labelledby="queues-title">
        <header>
          <h2 id="queues-title">
            <Icon name="sync" /> Queues
          </h2>
          <span class="spring" />
          <ConnectionPill />
        </header>
        <div class="body">
          {error !== undefined && <ErrorNote error={error} />}
          {value === undefined && error === undefined && <Skeleton lines={4} height={60} />}
          {value?.since !== undefined && (
            <p class="error" role="status">
              <Icon name="warn" /> The database does not answer. These are the numbers of {clock(value.since)}.
            </p>
          )}
          <ul class={`tiles ${status === 'stale' ? 'stale' : ''}`}>
            {queues.map((q) => (
              <Queue key={q.queue} q={q} isShown={q === shown} />
            ))}
          </ul>
        </div>
      </section>
      {shown !== undefined && <DeadJobs key={shown.queue} queue={shown.queue} dead={shown.dead} />}
      {shown !== undefined && <Jobs key={`jobs of ${shown.queue}`} q={shown} />}
      {value !== undefined && shown === undefined && (
        <section class="card">
          <Empty icon="check" title="No dead jobs">
            What fails for good stays here, with its errors, until an operator decides.
          </Empty>
        </section>
      )}
    </div>
  );
}

function Queue({ q, isShown }: { readonly q: QueueHealth; readonly isShown: boolean }) {
  const [tone, word] = wordOf(q);
  return (
    <li class="tile" data-queue={q.queue}>
      <div class="top">
        <h3>
          <a href={`#queues/${q.queue}`} aria-current={isShown ? 'true' : undefined}>
            {q.queue}
          </a>
        </h3>
        {q.paused === undefined ? <span class={`chip ${tone}`}>{word}</span> : <span class="chip warn">Stopped</span>}
      </div>
      <dl>
        {COUNTS.map(([key, name, says]) => (
          <div key={key} title={says} data-count={key} class={key === 'dead' && q.dead > 0 ? 'many' : q[key] === 0 ? 'none' : ''}>
            <dt>{name}</dt>
            <dd>{q[key]}</dd>
          </div>
        ))}
      </dl>
      <p class="small muted">
        {q.waiting === 0 ? 'Nothing waits' : `The oldest waits ${lasting(q.oldestWaitingAgeS)}`} · {q.perMinute} in the last minute,{' '}
        {rateOf(q.perMinute15)} on average
        {q.stalled > 0 && ` · ${q.stalled} lost their runner`}
        {q.paused !== undefined && ` · stopped: ${q.paused.reason}`}
      </p>
    </li>
  );
}
