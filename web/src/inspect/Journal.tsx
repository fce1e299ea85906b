import { useState } from 'preact/hooks';
import { Icon } from '../ui/icons.tsx';
import { Empty } from '../ui/parts.tsx';
import type { JournalRow } from './api.ts';
import { Entry, Part } from './Entry.tsx';
import { eventName } from './Statechart.tsx';
import { Why } from './Why.tsx';

interface JournalProps {
  readonly actor: string;
  readonly rows: readonly JournalRow[];
  readonly loadOlder: (() => void) | undefined;
  /** shows the actor as it was after an event */
  readonly onTravel: (seq: number) => void;
}

/** What happened, newest first; each entry tells its event, its change and why. */
export function Journal({ actor, rows, loadOlder, onTravel }: JournalProps) {
  return (
    <section class="card" aria-labelledby="journal-title">
      <header>
        <h2 id="journal-title">
          <Icon name="calendar" /> Journal
        </h2>
        <span class="spring" />
        <span class="small muted">newest first</span>
      </header>
      <div class="body">
        {rows.length === 0 && <Empty icon="calendar" title="The journal is empty" />}
        <ol class="journal">
          {rows.map((row) => (
            <Row key={row.seq} actor={actor} row={row} onTravel={onTravel} />
          ))}
        </ol>
        {loadOlder !== undefined && (
          <button type="button" class="btn more" onClick={loadOlder}>
            Older entries
          </button>
        )}
      </div>
    </section>
  );
}

/** Who sent the event, as far as the journal says. */
function sender(meta: unknown): string {
  const from = (meta as { from?: unknown } | null)?.from;
  if (typeof from === 'string') return from;
  const p = from as { kind?: string; id?: string } | undefined;
  return p?.kind === undefined ? '' : `${p.kind}${p.id === undefined || p.id === '' ? '' : ` ${p.id}`}`;
}

interface RowProps {
  readonly actor: string;
  readonly row: JournalRow;
  readonly onTravel: (seq: number) => void;
}

function Row({ actor, row, onTravel }: RowProps) {
  const [why, setWhy] = useState(false);
  return (
    <li data-seq={row.seq}>
      <Entry n={`#${row.seq}`} title={eventName(row.type)} note={sender(row.meta)} at={row.at}>
        <div class="asks">
          <button type="button" class="btn s" aria-expanded={why} onClick={() => setWhy(!why)}>
            Why?
          </button>
          <button type="button" class="btn s" onClick={() => onTravel(row.seq)}>
            <Icon name="clock" size={15} /> The actor then
          </button>
        </div>
        <div class="parts">
          {why && (
            <div>
              <h3 class="small muted">Why</h3>
              <Why actor={actor} seq={row.seq} />
            </div>
          )}
          <Part name="Event" value={row.event} />
          <Part name="Change" value={row.patch} />
          {row.reply !== null && row.reply !== undefined && <Part name="Reply" value={row.reply} />}
          {row.meta !== null && row.meta !== undefined && <Part name="Cause" value={row.meta} />}
        </div>
      </Entry>
    </li>
  );
}
