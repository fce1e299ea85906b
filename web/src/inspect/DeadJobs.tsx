import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { Icon } from '../ui/icons.tsx';
import { Empty } from '../ui/parts.tsx';
import type { DeadJob } from './api.ts';
import { discardJob, listDeadJobs, replayJob, replayJobs } from './api.ts';
import { Entry, Part } from './Entry.tsx';
import { Paged } from './Paged.tsx';
import { usePages } from './pages.ts';
import type { Act } from './ReasonDialog.tsx';
import { ReasonDialog } from './ReasonDialog.tsx';

const MOST = 500;

const WHY: { readonly [reason: string]: string } = {
  max_attempts: 'all tries failed',
  non_retryable: 'not worth another try',
  poison: 'its runner died three times',
  expired: 'too late',
};

/** Jobs of a queue that were given up: to be done once more, or dropped for good. Read again when their number changes. */
export function DeadJobs({ queue, dead }: { readonly queue: string; readonly dead: number }) {
  const pages = usePages(useCallback((before?: string) => listDeadJobs(queue, before), [queue]));
  const { reload } = pages;
  const [act, setAct] = useState<Act>();
  const known = useRef(dead);
  useEffect(() => {
    if (known.current !== dead) reload();
    known.current = dead;
  }, [dead, reload]);

  const replay = (d: DeadJob): Act => ({
    title: `Replay ${d.kind}`,
    says: 'A new job does what this one could not, with all its tries. Correct the cause first.',
    verb: 'Replay',
    run: (reason) => replayJob(queue, d.jobId, reason).finally(reload),
  });
  const discard = (d: DeadJob): Act => ({
    title: `Discard ${d.kind}`,
    says: 'What it was to do is never done.',
    verb: 'Discard',
    danger: true,
    run: (reason) => discardJob(queue, d.jobId, reason).finally(reload),
  });
  const all: Act = {
    title: `Replay the dead jobs of ${queue}`,
    says: `The last ${Math.min(dead, MOST)}, as new jobs, fifty a second. Correct the cause first.`,
    verb: 'Replay all',
    run: (reason) => replayJobs(queue, reason).finally(reload),
  };
  return (
    <section class="card" aria-labelledby="dead-jobs-title">
      <header>
        <h2 id="dead-jobs-title">
          <Icon name="warn" /> Dead jobs of {queue}
        </h2>
        <span class="spring" />
        {dead > 1 && (
          <button type="button" class="btn s" onClick={() => setAct(all)}>
            Replay all
          </button>
        )}
      </header>
      <div class="body">
        <Paged
          pages={pages}
          lines={3}
          empty={
            <Empty icon="check" title="No dead jobs">
              What fails for good stays here, with its errors, until an operator decides.
            </Empty>
          }
          older="Older jobs"
          row={(d) => (
            <li key={d.jobId} data-job={d.jobId}>
              <Entry n={`×${d.attempts}`} title={d.kind} note={d.errors.at(-1)?.code ?? d.reason} at={d.at}>
                <div class="asks">
                  <button type="button" class="btn s" onClick={() => setAct(replay(d))}>
                    Replay
                  </button>
                  <button type="button" class="btn s danger" onClick={() => setAct(discard(d))}>
                    Discard
                  </button>
                  <span class="small muted why">{WHY[d.reason] ?? d.reason}</span>
                </div>
                <div class="parts">
                  <Part name="Its last tries" value={d.errors.map((e) => ({ ...e, at: new Date(e.at).toISOString() }))} />
                  <Part name="What it was to do" value={d.payload} />
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
