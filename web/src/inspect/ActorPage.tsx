import type { ThrumError } from '@thrum/client';
import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { Icon } from '../ui/icons.tsx';
import { ErrorNote, RelTime, Skeleton } from '../ui/parts.tsx';
import { tone } from './ActorList.tsx';
import type { ActorReport, JournalRow, Machine, Verb } from './api.ts';
import { act, everything, listActors, readActor, readJournal, readMachine, settleTimer } from './api.ts';
import { useFeed } from './feed.ts';
import { Journal } from './Journal.tsx';
import { Json } from './Json.tsx';
import type { Act } from './ReasonDialog.tsx';
import { ReasonDialog } from './ReasonDialog.tsx';
import { eventName, Statechart } from './Statechart.tsx';
import { Travel, usePast } from './Travel.tsx';
import { TryDialog } from './TryDialog.tsx';

/** events of a moment are read together */
const GATHER_MS = 250;
/** the live feed says when to look; this is for what it misses */
const POLL_MS = 10_000;
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
  const [turns, setTurns] = useState(0);
  const due = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(due.current), []);
  useFeed('actor', { keys: [ref] }, 50, () => {
    due.current ??= setTimeout(() => {
      due.current = undefined;
      setTurns((n) => n + 1);
    }, GATHER_MS);
  });

  useEffect(() => {
    setShown(undefined);
    setOlder([]);
  }, [ref]);

  useEffect(() => {
    setMachine(undefined);
    readMachine(kind).then(setMachine).catch(setError);
  }, [kind]);

  useEffect(() => {
    setError(undefined);
    let gone = false;
    let seq = -1;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const turn = async (): Promise<void> => {
      const head =
        seq < 0 ? undefined : (await listActors({ ...everything, kind, q: ref.slice(kind.length + 1) })).items.find((a) => a.ref === ref);
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
  }, [ref, kind, turns]);

  const known = new Set(shown?.journal.map((r) => r.seq));
  const journal = [...(shown?.journal ?? []), ...older.filter((r) => !known.has(r.seq))];
  const last = journal.at(-1)?.seq;
  const loadOlder = (): void => {
    readJournal(ref, { before: last, limit: PAGE })
      .then(({ items }) => setOlder((o) => [...o, ...items]))
      .catch(setError);
  };
  return {
    report: shown?.report,
    journal,
    machine,
    error,
    loadOlder: last !== undefined && last > 1 ? loadOlder : undefined,
    again: () => setTurns((n) => n + 1),
  };
}

/** What an operator may do with an actor in its present status. */
function acts({ ref, status }: ActorReport): readonly Act[] {
  if (status === 'erased') return [];
  const stopped = status === 'paused' || status === 'quarantined';
  const one = (verb: Verb, name: string, says: string, danger = false): Act => ({
    title: `${name}: ${ref}`,
    says,
    verb: name,
    danger,
    run: (reason) => act(ref, verb, reason),
  });
  return [
    stopped
      ? one('resume', 'Resume', 'It goes on; what was held comes first.')
      : one('pause', 'Pause', 'Commands are refused, timers and results are held, reads work.', true),
    one('passivate', 'Drop from memory', 'It comes back from the journal with the next event.'),
    one('resnapshot', 'Write a snapshot', 'Its present state is stored as a whole.'),
    one('erase', 'Erase', 'History, state and rows are gone for good. This can not be undone.', true),
  ];
}

const timerAct = (ref: string, id: string, verb: 'fire' | 'cancel'): Act => ({
  title: verb === 'fire' ? 'Let the timer fire now' : 'Take the timer away',
  says: id,
  verb: verb === 'fire' ? 'Fire now' : 'Take away',
  danger: verb === 'cancel',
  run: (reason) => settleTimer(ref, id, verb, reason),
});

export function ActorPage({ actor }: { readonly actor: string }) {
  const { report, journal, machine, error, loadOlder, again } = useActor(actor);
  const [at, setAt] = useState<number>();
  const { past, error: lost } = usePast(actor, at);
  const [asked, setAsked] = useState<Act>();
  const [trying, setTrying] = useState(false);
  const ask = (a: Act): Act => ({ ...a, run: (reason) => a.run(reason).finally(again) });
  const travel = (seq: number): void => {
    setAt(seq);
    document.getElementById('actor-title')?.scrollIntoView();
  };
  if (report === undefined) {
    return (
      <section class="card actor" aria-busy={error === undefined}>
        <div class="body">{error === undefined ? <Skeleton lines={10} height={26} /> : <ErrorNote error={error} />}</div>
      </section>
    );
  }
  const shown = past?.state ?? report;
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
            {report.node !== null && (
              <Fact name="Node">
                <a class="mono" href="#nodes">
                  {report.node}
                </a>
              </Fact>
            )}
            <Fact name="Machine">v{machine?.version ?? report.mver}</Fact>
          </dl>
          <div class="asks">
            {acts(report).map((a) => (
              <button key={a.verb} type="button" class={`btn s ${a.danger === true ? 'danger' : ''}`} onClick={() => setAsked(ask(a))}>
                {a.verb}
              </button>
            ))}
            <button type="button" class="btn s" onClick={() => setTrying(true)}>
              What if?
            </button>
          </div>
          {error !== undefined && <ErrorNote error={error} />}
        </div>
      </section>
      {at !== undefined && <Travel seq={at} last={report.seq} error={lost} onTravel={setAt} />}
      <div class="pair">
        <section class="card" aria-labelledby="chart-title">
          <header>
            <h2 id="chart-title">
              <Icon name="bolt" /> Statechart
            </h2>
          </header>
          <div class="body">
            {machine === undefined ? <Skeleton lines={6} /> : <Statechart definition={machine.definition} value={shown.value} />}
          </div>
        </section>
        <div class="stackcards">
          <section class="card" aria-labelledby="context-title">
            <header>
              <h2 id="context-title">Context</h2>
            </header>
            <div class="body">
              <div class="scroll" tabIndex={0} role="region" aria-labelledby="context-title">
                <Json value={shown.context} />
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
                    <span class="asks">
                      <button type="button" class="btn s" onClick={() => setAsked(ask(timerAct(actor, id, 'fire')))}>
                        Fire now
                      </button>
                      <button type="button" class="btn s danger" onClick={() => setAsked(ask(timerAct(actor, id, 'cancel')))}>
                        Take away
                      </button>
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
      <Journal actor={actor} rows={journal} loadOlder={loadOlder} onTravel={travel} />
      {asked !== undefined && <ReasonDialog act={asked} onClose={() => setAsked(undefined)} />}
      {trying && <TryDialog actor={actor} commands={machine?.commands ?? []} seq={at} onClose={() => setTrying(false)} />}
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
