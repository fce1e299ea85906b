import { useCallback, useState } from 'preact/hooks';
import { Icon } from '../ui/icons.tsx';
import { Empty } from '../ui/parts.tsx';
import { listAudit } from './api.ts';
import { Entry, Part } from './Entry.tsx';
import { Paged } from './Paged.tsx';
import { usePages } from './pages.ts';

const ACTIONS = [
  'poke',
  'pause',
  'resume',
  'passivate',
  'resnapshot',
  'timer.fire',
  'timer.cancel',
  'pause.scope',
  'resume.scope',
  'dead.retry',
  'dead.discard',
  'job.replay',
  'job.discard',
  'job.promote',
  'queue.pause',
  'queue.resume',
  'what-if',
  'actor.read',
  'journal.read',
  'past.read',
  'microsteps.read',
];

/** Who did what at the inspector, newest first. */
export function Audit() {
  const [action, setAction] = useState('');
  const pages = usePages(useCallback((before?: number) => listAudit(action, before), [action]));
  return (
    <section class="card" aria-labelledby="audit-title">
      <header>
        <h2 id="audit-title">
          <Icon name="user" /> Audit
        </h2>
        <span class="spring" />
        <label class="field inline">
          <span>Act</span>
          <select value={action} onChange={(e) => setAction(e.currentTarget.value)}>
            <option value="">all</option>
            {ACTIONS.map((a) => (
              <option key={a}>{a}</option>
            ))}
          </select>
        </label>
      </header>
      <div class="body">
        <Paged
          pages={pages}
          lines={5}
          empty={
            <Empty icon="search" title={action === '' ? 'Nobody did anything yet' : 'Nobody did that yet'}>
              Every look at an actor and every act of an operator stands here, with its reason.
            </Empty>
          }
          older="Older entries"
          row={(a) => (
            <li key={a.id}>
              <Entry n={String(a.id)} title={a.action} note={a.reason ?? ''} at={a.at}>
                <div class="parts">
                  <Part name="Entry" value={{ by: a.admin, actorId: a.actorId, reason: a.reason, detail: a.detail }} />
                </div>
              </Entry>
            </li>
          )}
        />
      </div>
    </section>
  );
}
