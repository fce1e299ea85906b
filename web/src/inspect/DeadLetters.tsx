import { useCallback, useState } from 'preact/hooks';
import { Icon } from '../ui/icons.tsx';
import { Empty } from '../ui/parts.tsx';
import type { DeadLetter } from './api.ts';
import { listDead, settleDead } from './api.ts';
import { Entry, Part } from './Entry.tsx';
import { Paged } from './Paged.tsx';
import { usePages } from './pages.ts';
import type { Act } from './ReasonDialog.tsx';
import { ReasonDialog } from './ReasonDialog.tsx';

/** What was given up: to be delivered once more, or dropped for good. */
export function DeadLetters() {
  const [all, setAll] = useState(false);
  const pages = usePages(useCallback((before?: number) => listDead(all, before), [all]));
  const { reload } = pages;
  const [act, setAct] = useState<Act>();
  const retry = (d: DeadLetter): Act => ({
    title: `Deliver letter ${d.id} again`,
    says: `${d.ref} gets exactly what failed, under its own key: what was applied is not applied twice.`,
    verb: 'Deliver again',
    run: (reason) => settleDead(d.id, 'retry', reason).finally(reload),
  });
  const discard = (d: DeadLetter): Act => ({
    title: `Discard letter ${d.id}`,
    says: 'It stays in the list as discarded and can not be delivered any more.',
    verb: 'Discard',
    danger: true,
    run: (reason) => settleDead(d.id, 'discard', reason).finally(reload),
  });
  return (
    <section class="card" aria-labelledby="dead-title">
      <header>
        <h2 id="dead-title">
          <Icon name="warn" /> Dead letters
        </h2>
        <span class="spring" />
        <label class="check">
          <input type="checkbox" checked={all} onChange={(e) => setAll(e.currentTarget.checked)} /> settled ones too
        </label>
      </header>
      <div class="body">
        <Paged
          pages={pages}
          lines={5}
          empty={
            <Empty icon="check" title="Nothing was given up">
              Events, messages and effects that fail for good appear here.
            </Empty>
          }
          older="Older letters"
          row={(d) => (
            <li key={d.id} data-letter={d.id}>
              <Entry
                n={String(d.id)}
                title={
                  <>
                    {d.source} <span class="mono small">{d.ref}</span>
                  </>
                }
                note={d.resolution ?? `${d.attempts} attempts`}
                at={d.at}
              >
                <div class="asks">
                  <a class="btn s" href={`#${encodeURIComponent(d.ref)}`}>
                    The actor
                  </a>
                  {d.resolution === null && (
                    <>
                      <button type="button" class="btn s" onClick={() => setAct(retry(d))}>
                        Deliver again
                      </button>
                      <button type="button" class="btn s danger" onClick={() => setAct(discard(d))}>
                        Discard
                      </button>
                    </>
                  )}
                </div>
                <div class="parts">
                  <Part name="Error" value={d.error} />
                  <Part name="Event" value={d.event} />
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
