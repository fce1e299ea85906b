/** What survives a reload: where this client stood in its topics, and the views that it last showed. */
import type { Memory, Saved } from './feed.ts';
import type { KeyValueStore } from './outbox.ts';

/** Texts in an IndexedDB database of their own; unlike `localStorage` it does not block the page, and works in workers. */
export function indexedDb(name = 'thrum'): KeyValueStore {
  const store = 'texts';
  let opened: Promise<IDBDatabase> | undefined;

  const settled = <T>(request: IDBRequest<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      request.addEventListener('success', () => resolve(request.result));
      request.addEventListener('error', () => reject(request.error ?? new Error('IndexedDB failed')));
    });

  function open(): Promise<IDBDatabase> {
    opened ??= (() => {
      const request = indexedDB.open(name, 1);
      request.addEventListener('upgradeneeded', () => request.result.createObjectStore(store));
      return settled(request);
    })();
    return opened;
  }

  async function run<T>(mode: IDBTransactionMode, ask: (s: IDBObjectStore) => IDBRequest<T>): Promise<T> {
    return settled(ask((await open()).transaction(store, mode).objectStore(store)));
  }

  return {
    getItem: async (key) => ((await run('readonly', (s) => s.get(key))) as string | undefined) ?? null,
    setItem: (key, value) => run('readwrite', (s) => s.put(value, key)),
    removeItem: (key) => run('readwrite', (s) => s.delete(key)),
  };
}

const KEY = 'thrum.topics';
const SAVE_MS = 1_000;
const MAX_TOPICS = 64;

/**
 * Keeps cursors and views of the topics used last, at most 64, in one text that is written once a second at most. After a reload a view is there
 * at once, as `stale` until it is confirmed, and a log continues behind the last item. What was delivered in the second before a crash may come again.
 */
export function persist(store: KeyValueStore): Memory {
  let saved: { user: string | null; topics: Record<string, Saved> } | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let erased = false;
  const loaded = tolerant(read);

  async function read(): Promise<void> {
    const text = await store.getItem(KEY);
    if (text !== null && !erased) saved ??= JSON.parse(text) as NonNullable<typeof saved>;
  }

  /** A store that is full, closed or broken costs a snapshot after the next reload, and no more. */
  async function tolerant(work: () => unknown): Promise<void> {
    try {
      await work();
    } catch {
      // see above
    }
  }

  function write(): void {
    timer = undefined;
    void tolerant(() => saved && store.setItem(KEY, JSON.stringify(saved)));
  }

  return {
    async load(name) {
      await loaded;
      const topic = saved?.topics[name];
      return saved === undefined || topic === undefined ? undefined : { user: saved.user, topic };
    },
    save(user, name, topic) {
      if (saved?.user !== user) saved = { user, topics: {} };
      const { [name]: _, ...others } = saved.topics;
      saved.topics = Object.fromEntries([...Object.entries(others).slice(1 - MAX_TOPICS), [name, topic]]);
      timer ??= setTimeout(write, SAVE_MS);
    },
    erase() {
      clearTimeout(timer);
      timer = undefined;
      saved = undefined;
      erased = true;
      void tolerant(() => store.removeItem(KEY));
    },
  };
}
