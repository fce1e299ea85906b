import { useCallback, useState } from 'preact/hooks';
import { dateTime } from '../lib/format.ts';
import { Icon } from '../ui/icons.tsx';
import { Empty } from '../ui/parts.tsx';
import type { Job, QueueHealth } from './api.ts';
import { listJobs, settleJob, turnQueue } from './api.ts';
import { Entry, Part } from './Entry.tsx';
import { Paged } from './Paged.tsx';
import { usePages } from './pages.ts';
import type { Act } from './ReasonDialog.tsx';
import { ReasonDialog } from './ReasonDialog.tsx';

const STATES = ['waiting', 'delayed', 'active', 'done', 'cancelled'] as const;

/** a whole id of a job, or an actor: nothing else can be found */
const SOUGHT = /^([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[a-z]{1,20}:[A-Za-z0-9_.:-]{1,120})$/i;

const turn = ({ queue, paused }: QueueHealth): Act =>
  paused === undefined
    ? {
        title: `Stop ${queue}`,
        says: 'At every node: what runs ends, nothing begins until it goes on. Jobs that come meanwhile wait.',
        verb: 'Stop',
        danger: true,
        run: (reason) => turnQueue(queue, 'pause', reason),
      }
    : {
        title: `Let ${queue} go on`,
        says: `Stopped because: ${paused.reason}`,
        verb: 'Go on',
        run: (reason) => turnQueue(queue, 'resume', reason),
      };

/** What is to be done in a queue and what was: by state, or what belongs to one job or actor. Here the queue is stopped, too. */
export function Jobs({ q }: { readonly q: QueueHealth }) {
  const { queue } = q;
  const [state, setState] = useState<string>('waiting');
  const [sought, setSought] = useState('');
  const [act, setAct] = useState<Act>();
  const of = SOUGHT.test(sought.trim()) ? sought.trim() : '';
  const pages = usePages(useCallback((after?: string) => listJobs(queue, of === '' ? { state } : { q: of }, after), [queue, state, of]));
  const settle = (j: Job, verb: 'promote' | 'discard', more: Omit<Act, 'run'>): void =>
    setAct({ ...more, run: (reason) => settleJob(queue, j.jobId, verb, reason).finally(pages.reload) });

  return (
    <section class="card" aria-labelledby="jobs-title">
      <header>
        <h2 id="jobs-title">
          <Icon name="sync" /> Jobs of {queue}
        </h2>
        <span class="spring" />
        <button type="button" class="btn s" onClick={pages.reload}>
          Read again
        </button>
        <button type="button" class={`btn s ${q.paused === undefined ? 'danger' : ''}`} onClick={() => setAct(turn(q))}>
          {q.paused === undefined ? 'Stop the queue' : 'Let it go on'}
        </button>
      </header>
      <div class="body">
        <form class="filters" role="search" aria-label={`Jobs of ${queue}`} onSubmit={(e) => e.preventDefault()}>
          <label class="field">
            <span>State</span>
            <select value={state} disabled={of !== ''} onChange={(e) => setState(e.currentTarget.value)}>
              {STATES.map((s) => (
                <option key={s}>{s}</option>
              ))}
            </select>
          </label>
          <label class="field">
            <span>Id of a job, or kind:id of an actor</span>
            <input value={sought} spellcheck={false} maxLength={141} onInput={(e) => setSought(e.currentTarget.value)} />
          </label>
        </form>
        <Paged
          pages={pages}
          lines={3}
          empty={<Empty icon="search" title="No such jobs" />}
          older="More jobs"
          row={(j) => (
            <li key={j.jobId} data-listed={j.jobId}>
              <Entry
                n={`×${j.attempts}`}
                title={j.kind}
                note={j.errors.at(-1)?.code ?? j.state}
                at={j.finishedAt ?? j.lastAttemptAt ?? j.createdAt}
              >
                <div class="asks">
                  {j.actor !== null && (
                    <a class="btn s" href={`#${encodeURIComponent(j.actor)}`}>
                      The actor
                    </a>
                  )}
                  {j.state === 'delayed' && (
                    <button
                      type="button"
                      class="btn s"
                      onClick={() =>
                        settle(j, 'promote', { title: `Run ${j.kind} now`, says: 'It does not wait for its time.', verb: 'Run now' })
                      }
                    >
                      Run now
                    </button>
                  )}
                  {(j.state === 'delayed' || j.state === 'waiting') && (
                    <button
                      type="button"
                      class="btn s danger"
                      onClick={() =>
                        settle(j, 'discard', {
                          title: `Discard ${j.kind}`,
                          says: 'What it is to do is never done.',
                          verb: 'Discard',
                          danger: true,
                        })
                      }
                    >
                      Discard
                    </button>
                  )}
                  <span class="small muted why">{j.state === 'delayed' ? `due ${dateTime(Date.parse(j.runAt))}` : j.state}</span>
                </div>
                <div class="parts">
                  <Part
                    name="The job"
                    value={{ jobId: j.jobId, attempts: `${j.attempts} of ${j.maxAttempts}`, priority: j.priority, runAt: j.runAt }}
                  />
                  {j.errors.length > 0 && (
                    <Part name="Its last tries" value={j.errors.map((e) => ({ ...e, at: new Date(e.at).toISOString() }))} />
                  )}
                  <Part name="What it is to do" value={j.payload} />
                </div>
              </Entry>
            </li>
          )}
        />
      </div>
      {act !== undefined && <ReasonDialog act={act} onClose={() => setAct(undefined)} />}
    </section>
  );
}
