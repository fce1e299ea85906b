import type { ThrumError } from '@thrum/client';
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { Icon } from '../ui/icons.tsx';
import { Empty, ErrorNote, RelTime, Skeleton } from '../ui/parts.tsx';
import type { ActorRow, Filter } from './api.ts';
import { everything, listActors, listKinds } from './api.ts';

const POLL_MS = 2_000;
const STATUSES = ['active', 'done', 'paused', 'quarantined', 'erased', 'gone'];
const SORTS = [
  ['', 'newest first'],
  ['oldest', 'longest quiet first'],
  ['events', 'most events first'],
  ['name', 'by name'],
  ['mailbox', 'longest mailbox first'],
  ['faults', 'most faults first'],
] as const;

export const tone = (status: string): string =>
  ({ active: 'good', done: '', paused: 'warn', quarantined: 'bad', erased: '' })[status] ?? '';

/** The newest page is read again every two seconds; older pages are added on demand and stay as they were read. */
function useActors(filter: Filter) {
  const [first, setFirst] = useState<{ items: ActorRow[]; nextCursor?: string; silent?: string[] }>();
  const [more, setMore] = useState<{ items: ActorRow[]; nextCursor?: string }>();
  const [error, setError] = useState<ThrumError>();
  const wanted = useRef(filter);
  wanted.current = filter;

  useEffect(() => {
    setFirst(undefined);
    setMore(undefined);
    let timer: ReturnType<typeof setTimeout> | undefined;
    let gone = false;
    const read = (): void => {
      listActors(filter)
        .then((page) => {
          if (gone) return undefined;
          setFirst(page);
          return setError(undefined);
        })
        .catch((e: ThrumError) => !gone && setError(e))
        .finally(() => {
          if (!gone) timer = setTimeout(read, document.visibilityState === 'hidden' ? POLL_MS * 10 : POLL_MS);
        });
    };
    const wait = setTimeout(read, filter === everything ? 0 : 200);
    return () => {
      gone = true;
      clearTimeout(wait);
      clearTimeout(timer);
    };
  }, [filter]);

  const cursor = (more ?? first)?.nextCursor;
  const loadMore = useCallback(() => {
    const of = wanted.current;
    listActors(of, cursor)
      .then(
        (page) => wanted.current === of && setMore((m) => ({ items: [...(m?.items ?? []), ...page.items], nextCursor: page.nextCursor })),
      )
      .catch(setError);
  }, [cursor]);

  const seen = new Set(first?.items.map((a) => a.ref));
  const rows = first === undefined ? undefined : [...first.items, ...(more?.items ?? []).filter((a) => !seen.has(a.ref))];
  return { rows, silent: first?.silent ?? [], error, loadMore: cursor === undefined ? undefined : loadMore };
}

export function ActorList({ chosen }: { readonly chosen: string | undefined }) {
  const [filter, setFilter] = useState(everything);
  const { rows, silent, error, loadMore } = useActors(filter);
  const [kinds, setKinds] = useState<readonly string[]>([]);
  useEffect(() => {
    listKinds().then(setKinds, () => undefined); // without it the list itself says what is wrong
  }, []);
  const set = (part: Partial<Filter>): void => setFilter((f) => ({ ...f, ...part }));
  return (
    <section class="card list" aria-labelledby="list-title">
      <header>
        <h2 id="list-title">
          <Icon name="cpu" /> Actors
        </h2>
        <span class="spring" />
        <label class="field inline" title="The state column may trail by 5 s">
          <span class="vh">Order</span>
          <select value={filter.sort} onChange={(e) => set({ sort: e.currentTarget.value })}>
            {SORTS.map(([id, name]) => (
              <option key={id} value={id}>
                {name}
              </option>
            ))}
          </select>
        </label>
      </header>
      <div class="body">
        <form class="filters" role="search" aria-label="Actors" onSubmit={(e) => e.preventDefault()}>
          <label class="field">
            <span>Kind</span>
            <select value={filter.kind} onChange={(e) => set({ kind: e.currentTarget.value })}>
              <option value="">all</option>
              {kinds.map((k) => (
                <option key={k} value={k}>
                  {k}
                </option>
              ))}
            </select>
          </label>
          <label class="field">
            <span>Status</span>
            <select value={filter.status} onChange={(e) => set({ status: e.currentTarget.value })}>
              <option value="">all</option>
              {STATUSES.map((s) => (
                <option key={s} value={s}>
                  {s}
                </option>
              ))}
            </select>
          </label>
          <label class="field">
            <span>State begins with</span>
            <input value={filter.state} spellcheck={false} onInput={(e) => set({ state: e.currentTarget.value })} />
          </label>
          <label class="field">
            <span>Slot</span>
            <input
              value={filter.slot}
              inputMode="numeric"
              pattern="[0-9]*"
              maxLength={4}
              onInput={(e) => set({ slot: e.currentTarget.value.replaceAll(/\D/g, '') })}
            />
          </label>
          <label class="field">
            <span>Id contains</span>
            <input value={filter.q} spellcheck={false} onInput={(e) => set({ q: e.currentTarget.value })} />
          </label>
        </form>
        {error !== undefined && <ErrorNote error={error} />}
        {silent.length > 0 && <p role="status">Without the actors of {silent.join(', ')}: no answer in time.</p>}
        {rows === undefined && error === undefined && <Skeleton lines={8} height={38} />}
        {rows?.length === 0 && <Empty icon="search" title="No actor matches" />}
        {rows !== undefined && rows.length > 0 && (
          <ul class="actors">
            {rows.map((a) => (
              <li key={a.ref}>
                <a href={`#${encodeURIComponent(a.ref)}`} aria-current={a.ref === chosen ? 'true' : undefined}>
                  <span class="kind">{a.kind}</span>
                  <span class="id mono">{a.id}</span>
                  <span class="small muted st" title={a.state ?? ''}>
                    {a.state === null || a.state === '' ? '–' : a.state.split('|').join(' · ')}
                  </span>
                  <span class="small muted seq">
                    {a.status !== 'active' && <span class={`chip ${tone(a.status)}`}>{a.status}</span>} #{a.lastSeq}
                    {a.lastAt !== null && (
                      <>
                        {' · '}
                        <RelTime at={Date.parse(a.lastAt)} />
                      </>
                    )}
                  </span>
                </a>
              </li>
            ))}
          </ul>
        )}
        {loadMore !== undefined && (
          <button type="button" class="btn more" onClick={loadMore}>
            Load more
          </button>
        )}
      </div>
    </section>
  );
}
