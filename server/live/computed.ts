/** Topics that no journal backs: one node publishes them, with an epoch of its own per start (realtime R3, R4). */
import { randomBytes } from 'node:crypto';
import type { z } from 'zod';
import { KernelProblem, refusal } from '../../actors/errors.ts';
import type { ActorSystem, Cursor, Publication, TopicSlice } from '../../actors/system.ts';
import type { Json } from '../../actors/types.ts';

/** What the edge needs of topics; the kernel's, or the kernel's with computed ones beside them. */
export type TopicSource = Pick<ActorSystem, 'authorize' | 'slice' | 'behind' | 'onPublish'>;

/** A state topic that everybody may read, such as `system/status`. */
export interface Computed {
  readonly name: string;
  readonly schema: z.ZodType;
  slice(cursor: Cursor | undefined): TopicSlice;
  isBehind(head: { e: string; s: number }): boolean;
  /** Publishes the view if it differs from the last one. */
  set(view: Json): void;
  onPublish(fn: (p: Publication) => void): () => void;
}

export function computed(name: string, schema: z.ZodType, first: Json, wall: () => number): Computed {
  const e = randomBytes(5).toString('hex');
  const listeners = new Set<(p: Publication) => void>();
  let s = 1;
  let view = first;
  return {
    name,
    schema,
    slice: (cursor) => {
      const head = { t: name, kind: 'state', e, s } as const;
      return cursor?.e === e && cursor.s === s ? { ...head, m: 'same' } : { ...head, m: 'snap', d: view };
    },
    isBehind: (head) => head.e !== e || head.s !== s,
    set(next) {
      if (JSON.stringify(next) === JSON.stringify(view)) return;
      view = next;
      s += 1;
      for (const fn of listeners) fn({ t: name, e, s, p: s - 1, k: 'f', d: view, at: wall() });
    },
    onPublish(fn) {
      listeners.add(fn);
      return () => void listeners.delete(fn);
    },
  };
}

/** The kernel's topics and the computed ones under one roof. */
export function withComputed(actors: TopicSource, topics: readonly Computed[]): TopicSource {
  const byName = new Map(topics.map((t) => [t.name, t]));
  return {
    authorize(name, p) {
      if (byName.has(name)) return Promise.resolve(name);
      if (/^(system|ops)\//.test(name)) return Promise.reject(new KernelProblem(refusal('UNKNOWN_TOPIC', name.slice(0, 200))));
      return actors.authorize(name, p);
    },
    slice: (name, cursor) => {
      const own = byName.get(name);
      return own === undefined ? actors.slice(name, cursor) : Promise.resolve(own.slice(cursor));
    },
    async behind(heads) {
      const theirs = heads.filter((h) => !byName.has(h.t));
      const own = heads.filter((h) => byName.get(h.t)?.isBehind(h) === true).map((h) => h.t);
      return [...own, ...(theirs.length === 0 ? [] : await actors.behind(theirs))];
    },
    onPublish(fn) {
      const stops = [actors.onPublish(fn), ...topics.map((t) => t.onPublish(fn))];
      return () => {
        for (const stop of stops) stop();
      };
    },
  };
}
