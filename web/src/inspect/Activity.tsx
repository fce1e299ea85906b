import { useEffect, useState } from 'preact/hooks';
import { Icon } from '../ui/icons.tsx';
import { Empty, RelTime } from '../ui/parts.tsx';
import { listKinds } from './api.ts';
import type { Sighting } from './feed.ts';
import { useFeed } from './feed.ts';
import { eventName } from './Statechart.tsx';

const RATE = 50;
const ROWS = 100;

function rateText(matched: number, sent: number): string {
  if (matched === 0) return 'watching';
  return `${matched} events/s${sent < matched ? `, ${Math.round((100 * sent) / matched)} % shown` : ''}`;
}

/** What actors do right now: a stream of at most 50 events a second, with the true rate beside it. */
export function Activity() {
  const [kinds, setKinds] = useState<readonly string[]>([]);
  const [kind, setKind] = useState('');
  const [type, setType] = useState('');
  const [held, setHeld] = useState(false);
  const [rows, setRows] = useState<readonly Sighting[]>([]);
  useEffect(() => {
    listKinds().then(setKinds, () => undefined); // without it the filter offers no kind
  }, []);
  const filter = { ...(kind === '' ? {} : { kind }), ...(type === '' ? {} : { type }) };
  const { live, matched, sent } = useFeed('activity', held ? undefined : filter, RATE, (events) =>
    setRows((known) => [...events.toReversed(), ...known].slice(0, ROWS)),
  );
  return (
    <section class="card" aria-labelledby="activity-title">
      <header>
        <h2 id="activity-title">
          <Icon name="bolt" /> Live activity
        </h2>
        <span class="spring" />
        <span class="small muted" data-testid="rate">
          {live ? rateText(matched, sent) : held ? 'held' : 'connecting…'}
        </span>
        <button type="button" class="btn s" aria-pressed={held} onClick={() => setHeld(!held)}>
          {held ? 'Go on' : 'Hold'}
        </button>
      </header>
      <div class="body">
        <form class="filters" role="search" aria-label="Events" onSubmit={(e) => e.preventDefault()}>
          <label class="field">
            <span>Kind</span>
            <select value={kind} onChange={(e) => setKind(e.currentTarget.value)}>
              <option value="">all</option>
              {kinds.map((k) => (
                <option key={k}>{k}</option>
              ))}
            </select>
          </label>
          <label class="field">
            <span>Event</span>
            <input value={type} spellcheck={false} placeholder="all" onChange={(e) => setType(e.currentTarget.value.trim())} />
          </label>
        </form>
        {rows.length === 0 && (
          <Empty icon="clock" title="Nothing has happened since you look">
            Events appear as soon as they are durable.
          </Empty>
        )}
        <ol class="activity">
          {rows.map((s) => (
            <li key={s.key}>
              <a href={`#${encodeURIComponent(s.ref)}`}>
                <span class="mono id">{s.ref}</span>
                <strong>{eventName(s.type)}</strong>
                <span class="small muted st">
                  {s.refused === undefined ? (s.state ?? '').split('|').join(' · ') : <span class="chip bad">{s.refused}</span>}
                </span>
                <span class="small muted">
                  #{s.seq} {s.commitMs === undefined ? '' : `${s.commitMs.toFixed(1)} ms`} <RelTime at={s.at} />
                </span>
              </a>
            </li>
          ))}
        </ol>
      </div>
    </section>
  );
}
