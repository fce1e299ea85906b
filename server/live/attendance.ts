/**
 * What this node says in the roster of those who are connected to it, and what it hears of the others that somebody here follows. Changes of a tenth
 * of a second travel together; own entries are said again every 20 s. When the others are out of reach, own entries go on, and what was last
 * heard counts for a minute more.
 */
import type { Clock, Log, TimerHandle } from '../../actors/types.ts';
import type { Asking, Heard, Roster } from './roster.ts';

const BATCH_MS = 100;
const REPEAT_MS = 20_000;
const BELIEVED_MS = 60_000;

interface Watched {
  heard: Heard;
  /** mono ms */
  heardAt: number;
  /** it was asked for, with or without an answer */
  asked: boolean;
  readonly first: Promise<void>;
  arrived(): void;
}

export interface Attendance {
  /** What is said of one of this node's own from now on; undefined: it is gone. */
  say(subject: string, key: string, text: string | undefined): void;
  /** From now on changes of the subject are heard. Resolves with the first answer, or when there is none. */
  watch(subject: string): Promise<void>;
  /** What is known now of a subject that is watched. */
  of(subject: string): Heard;
  /** The entries of all nodes, asked for now. Rejects when they are out of reach. */
  ask(subject: string): Promise<Heard>;
  /** Something may have changed of these subjects. `needed`: whether a subject is to be watched on. */
  start(on: { changed(subject: string): void; needed(subject: string): boolean }): void;
  /** Says the last changes, and no more. */
  stop(): Promise<void>;
}

const NOBODY: Heard = { entries: new Map() };

export function createAttendance(o: {
  readonly roster: Roster;
  readonly node: string;
  readonly clock: Clock;
  readonly log: Log;
}): Attendance {
  const { roster, clock } = o;
  /** subject -> entry -> text */
  const own = new Map<string, Map<string, string>>();
  const watched = new Map<string, Watched>();
  const pending = new Map<string, Map<string, string | undefined>>();
  let listener: Parameters<Attendance['start']>[0] | undefined;
  let flushTimer: TimerHandle | undefined;
  let repeatTimer: TimerHandle | undefined;
  let flushedAt = Number.NEGATIVE_INFINITY;

  async function exchange(asked: ReadonlyMap<string, Asking>, tell: boolean): Promise<void> {
    let lists: ReadonlyMap<string, Heard> = new Map();
    try {
      lists = await roster.exchange(asked, tell);
    } catch (error) {
      o.log.debug({ err: error }, 'who is connected elsewhere could not be asked');
    }
    for (const subject of asked.keys()) {
      const w = watched.get(subject);
      if (w === undefined) continue;
      const heard = lists.get(subject);
      if (heard !== undefined) {
        w.heard = heard;
        w.heardAt = clock.mono();
      }
      w.asked = true;
      w.arrived();
      listener?.changed(subject);
    }
  }

  function flush(): Promise<void> {
    if (flushTimer !== undefined) clock.clearTimer(flushTimer);
    flushTimer = undefined;
    flushedAt = clock.mono();
    const asked = new Map([...pending].map(([subject, say]) => [subject, { say, list: watched.has(subject) }]));
    const tell = [...pending.values()].some((say) => say.size > 0);
    pending.clear();
    return exchange(asked, tell);
  }

  function pend(subject: string): Map<string, string | undefined> {
    let say = pending.get(subject);
    if (say === undefined) pending.set(subject, (say = new Map()));
    flushTimer ??= clock.setTimer(Math.max(0, flushedAt + BATCH_MS - clock.mono()), () => void flush());
    return say;
  }

  /** Everything once more: the own, so that it is not forgotten, and the others', because what they told may have been lost. */
  function repeat(): void {
    const asked = new Map<string, Asking>();
    for (const subject of watched.keys()) asked.set(subject, { say: own.get(subject) ?? new Map(), list: true });
    for (const [subject, say] of own) if (!watched.has(subject)) asked.set(subject, { say, list: false });
    void exchange(asked, false);
  }

  function sweep(): void {
    repeatTimer = clock.setTimer(REPEAT_MS, sweep);
    for (const [subject, w] of watched) if (w.asked && listener?.needed(subject) === false) watched.delete(subject);
    if (roster.forgets) repeat();
  }

  roster.onTold((subjects) => {
    if (subjects === undefined) repeat();
    else for (const subject of subjects) if (watched.has(subject)) pend(subject);
  });

  return {
    say(subject, key, text) {
      const entry = `${o.node}/${key}`;
      const entries = own.get(subject);
      if (entries?.get(entry) === text) return;
      if (text !== undefined && entries === undefined) own.set(subject, new Map([[entry, text]]));
      else if (text !== undefined) entries?.set(entry, text);
      else if (entries?.delete(entry) === true && entries.size === 0) own.delete(subject);
      pend(subject).set(entry, text);
    },
    watch(subject) {
      const known = watched.get(subject);
      if (known !== undefined) return known.first;
      const { promise, resolve } = deferred();
      watched.set(subject, { heard: NOBODY, heardAt: Number.NEGATIVE_INFINITY, asked: false, first: promise, arrived: resolve });
      void exchange(new Map([[subject, { say: own.get(subject) ?? new Map<string, string>(), list: true }]]), false);
      return promise;
    },
    of(subject) {
      const w = watched.get(subject);
      const fresh = w !== undefined && clock.mono() - w.heardAt < BELIEVED_MS ? w.heard : NOBODY;
      if (fresh.count !== undefined) return fresh;
      const mine = `${o.node}/`;
      const others = [...fresh.entries].filter(([entry]) => !entry.startsWith(mine));
      return { entries: new Map([...others, ...(own.get(subject) ?? [])]) };
    },
    async ask(subject) {
      const say = new Map<string, string | undefined>([...(own.get(subject) ?? []), ...(pending.get(subject) ?? [])]);
      const lists = await roster.exchange(new Map([[subject, { say, list: true }]]), false);
      return lists.get(subject) ?? NOBODY;
    },
    start(on) {
      listener = on;
      repeatTimer ??= clock.setTimer(REPEAT_MS, sweep);
    },
    async stop() {
      if (repeatTimer !== undefined) clock.clearTimer(repeatTimer);
      listener = undefined;
      if (pending.size > 0) await flush();
      roster.close();
    },
  };
}

function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((done) => (resolve = done));
  return { promise, resolve };
}
