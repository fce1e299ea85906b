import type { ThrumError } from '@thrum/client';
import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { Icon } from '../ui/icons.tsx';
import { Empty, ErrorNote, RelTime, Skeleton } from '../ui/parts.tsx';
import { tone } from './ActorList.tsx';
import type { ActorReport, JournalRow, Machine } from './api.ts';
import { listActors, readActor, readJournal, readMachine } from './api.ts';
import { Json } from './Json.tsx';
import { eventName, Statechart } from './Statechart.tsx';

const POLL_MS = 1_500;
const PAGE = 50;

interface Shown {
  readonly report: ActorReport;
  readonly journal: readonly JournalRow[];
}

/**
 * One actor, followed. Each turn asks the directory for the actor's last sequence number and reads state and journal only when it has moved, since
 * every read of an actor's state is audited.
 */
function useActor(ref: string) {
  const [shown, setShown] = useState<Shown>();
  const [error, setError] = useState<ThrumError>();
  const [machine, setMachine] = useState<Machine>();
  const [older, setOlder] = useState<readonly JournalRow[]>([]);
  const kind = ref.slice(0, ref.indexOf(':'));

  useEffect(() => {
    setMachine(undefined);
    readMachine(kind).then(setMachine).catch(setError);
  }, [kind]);

  useEffect(() => {
    setShown(undefined);
    setOlder([]);
    setError(undefined);
    let gone = false;
    let seq = -1;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const turn = async (): Promise<void> => {
      const head =
        seq < 0
          ? undefined
          : (await listActors({ kind, q: ref.slice(kind.length + 1), state: '', status: '' })).items.find((a) => a.ref === ref);
      if (head !== undefined && head.lastSeq === seq) return;
      const [report, journal] = await Promise.all([readActor(ref), readJournal(ref, { limit: PAGE })]);
      if (gone) return;
      seq = report.seq;
      setShown({ report, journal: journal.items });
    };
    const loop = (): void => {
      turn()
        .then(() => !gone && setError(undefined))
        .catch((e: ThrumError) => !gone && setError(e))
        .finally(() => {
          if (!gone) timer = setTimeout(loop, document.visibilityState === 'hidden' ? POLL_MS * 10 : POLL_MS);
        });
    };
    loop();
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, [ref, kind]);

  const known = new Set(shown?.journal.map((r) => r.seq));
  const journal = [...(shown?.journal ?? []), ...older.filter((r) => !known.has(r.seq))];
  const last = journal.at(-1)?.seq;
  const loadOlder = (): void => {
    readJournal(ref, { before: last, limit: PAGE })
      .then(({ items }) => setOlder((o) => [...o, ...items]))
      .catch(setError);
  };
  return { report: shown?.report, journal, machine, error, loadOlder: last !== undefined && last > 1 ? loadOlder : undefined };
}

export function ActorPage({ actor }: { readonly actor: string }) {
  const { report, journal, machine, error, loadOlder } = useActor(actor);
  if (report === undefined) {
    return (
      <section class="card actor" aria-busy={error === undefined}>
        <div class="body">{error === undefined ? <Skeleton lines={10} height={26} /> : <ErrorNote error={error} />}</div>
      </section>
    );
  }
  const timers = Object.entries(report.timers);
  const calls = Object.entries(report.calls);
  return (
    <div class="actor">
      <section class="card" aria-labelledby="actor-title">
        <div class="body summary">
          <h2 id="actor-title">
            <span class="kind">{report.kind}</span> <span class="mono">{report.id}</span>
          </h2>
          <dl class="facts">
            <Fact name="Status">
              <span class={`chip ${tone(report.status)}`}>{report.status}</span>
            </Fact>
            <Fact name="Sequence">
              <span data-testid="seq">{report.seq}</span>
            </Fact>
            <Fact name="Last change">{report.lastAt === null ? '–' : <RelTime at={Date.parse(report.lastAt)} />}</Fact>
            <Fact name="In memory">{report.temperature}</Fact>
            <Fact name="Mailbox">{report.mailbox}</Fact>
            <Fact name="Slot">{report.slot}</Fact>
            <Fact name="Machine">v{machine?.version ?? report.mver}</Fact>
          </dl>
          {error !== undefined && <ErrorNote error={error} />}
        </div>
      </section>
      <div class="pair">
        <section class="card" aria-labelledby="chart-title">
          <header>
            <h2 id="chart-title">
              <Icon name="bolt" /> Statechart
            </h2>
          </header>
          <div class="body">
            {machine === undefined ? <Skeleton lines={6} /> : <Statechart definition={machine.definition} value={report.value} />}
          </div>
        </section>
        <div class="stackcards">
          <section class="card" aria-labelledby="context-title">
            <header>
              <h2 id="context-title">Context</h2>
            </header>
            <div class="body">
              <div class="scroll" tabIndex={0} role="region" aria-labelledby="context-title">
                <Json value={report.context} />
              </div>
            </div>
          </section>
          <section class="card" aria-labelledby="timers-title">
            <header>
              <h2 id="timers-title">
                <Icon name="clock" /> Timers and running effects
              </h2>
            </header>
            <div class="body">
              {timers.length + calls.length === 0 && <p class="muted">Nothing is armed.</p>}
              <ul class="timers">
                {timers.map(([id, t]) => (
                  <li key={id}>
                    <code>{eventName(t.type)}</code>
                    <span class="muted small">
                      due <RelTime at={Date.parse(t.due)} />
                    </span>
                  </li>
                ))}
                {calls.map(([id, seq]) => (
                  <li key={id}>
                    <code>{id}</code>
                    <span class="muted small">runs since #{seq}</span>
                  </li>
                ))}
              </ul>
            </div>
          </section>
        </div>
      </div>
      <section class="card" aria-labelledby="journal-title">
        <header>
          <h2 id="journal-title">
            <Icon name="calendar" /> Journal
          </h2>
          <span class="spring" />
          <span class="small muted">newest first</span>
        </header>
        <div class="body">
          {journal.length === 0 && <Empty icon="calendar" title="The journal is empty" />}
          <ol class="journal">
            {journal.map((row) => (
              <Entry key={row.seq} row={row} />
            ))}
          </ol>
          {loadOlder !== undefined && (
            <button type="button" class="btn more" onClick={loadOlder}>
              Older entries
            </button>
          )}
        </div>
      </section>
    </div>
  );
}

function Fact({ name, children }: { readonly name: string; readonly children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

/** Who sent the event, as far as the journal says. */
function sender(meta: unknown): string {
  const from = (meta as { from?: unknown } | null)?.from;
  if (typeof from === 'string') return from;
  const p = from as { kind?: string; id?: string } | undefined;
  return p?.kind === undefined ? '' : `${p.kind}${p.id === undefined || p.id === '' ? '' : ` ${p.id}`}`;
}

function Entry({ row }: { readonly row: JournalRow }) {
  return (
    <li data-seq={row.seq}>
      <details>
        <summary>
          <span class="mono num">#{row.seq}</span>
          <strong>{eventName(row.type)}</strong>
          <span class="small muted from">{sender(row.meta)}</span>
          <span class="small muted at">
            <RelTime at={Date.parse(row.at)} />
          </span>
        </summary>
        <div class="parts">
          <Part name="Event" value={row.event} />
          <Part name="Patch" value={row.patch} />
          {row.reply !== null && row.reply !== undefined && <Part name="Reply" value={row.reply} />}
          {row.meta !== null && row.meta !== undefined && <Part name="Meta" value={row.meta} />}
        </div>
      </details>
    </li>
  );
}

function Part({ name, value }: { readonly name: string; readonly value: unknown }) {
  return (
    <div>
      <h3 class="small muted">{name}</h3>
      <Json value={value} open={3} />
    </div>
  );
}
