/** Topics that no journal backs: one node publishes them, with an epoch of its own per start (realtime R3, R4). */
import { randomBytes } from 'node:crypto';
import type { z } from 'zod';
import type { ActorKind } from '../../actors/define.ts';
import { KernelProblem, refusal } from '../../actors/errors.ts';
import type { ActorSystem, Cursor, Publication, TopicSlice } from '../../actors/system.ts';
import { formatTopic, parseTopic } from '../../actors/topic-name.ts';
import type { Json, Principal } from '../../actors/types.ts';
import { diff } from '../../calc/merge-patch.ts';
import { askedTogether } from './readers.ts';

/** What the edge needs of topics; the kernel's, or the kernel's with computed ones beside them. */
export type TopicSource = Pick<ActorSystem, 'refused' | 'slice' | 'behind' | 'follow'> & {
  /** Whether `p` may read the topic. Gives its canonical name. @throws KernelProblem */
  authorize(topic: string, p: Principal): Promise<string>;
  /** `here`: for the sockets of this node only; every node publishes it for its own. */
  onPublish(fn: (p: Publication, here: boolean) => void): () => void;
};

/** A state topic, or one for each subject of a kind. */
export interface Computed {
  /** as the catalogue shows it: `system/status`, `user:{id}/presence` */
  readonly name: string;
  readonly schema: z.ZodType;
  readonly readers: 'everybody' | 'by actor' | 'operators';
  owns(topic: string): boolean;
  /** Rejects with a KernelProblem when `p` may not read the topic. Not asked of topics for everybody. */
  authorize(topic: string, p: Principal): Promise<void>;
  slice(topic: string, cursor: Cursor | undefined): TopicSlice | Promise<TopicSlice>;
  isBehind(head: { t: string; e: string; s: number }): boolean;
  onPublish(fn: (p: Publication) => void): () => void;
}

/** A view without null. */
export type View = { readonly [key: string]: Json | undefined };
type Body = { readonly k: 'f' | 'd'; readonly d: View };

/** smaller views are sent whole */
const SMALL = 512;

/** What leads a reader from one view to the next: a patch, or the view where that is not much more; undefined when they are the same. */
export function step(from: View, to: View): Body | undefined {
  const patch = diff(from, to) as View | undefined;
  if (patch === undefined) return undefined;
  const full = JSON.stringify(to).length;
  return full < SMALL || JSON.stringify(patch).length > 0.7 * full ? { k: 'f', d: to } : { k: 'd', d: patch };
}

/** One topic that everybody may read. `set` publishes the view if it differs from the last one. */
export function computed(name: string, schema: z.ZodType, first: View, wall: () => number): Computed & { set(view: View): void } {
  const e = randomBytes(5).toString('hex');
  const listeners = new Set<(p: Publication) => void>();
  let s = 1;
  let view = first;
  return {
    name,
    schema,
    readers: 'everybody',
    owns: (topic) => topic === name,
    authorize: () => Promise.resolve(),
    slice: (_, cursor) => {
      const head = { t: name, kind: 'state', e, s } as const;
      return cursor?.e === e && cursor.s === s ? { ...head, m: 'same' } : { ...head, m: 'snap', d: view as Json };
    },
    isBehind: (head) => head.e !== e || head.s !== s,
    set(next) {
      const body = step(view, next);
      if (body === undefined) return;
      view = next;
      s += 1;
      const publication = { t: name, e, s, p: s - 1, ...body, at: wall() } as Publication;
      for (const fn of listeners) fn(publication);
    },
    onPublish(fn) {
      listeners.add(fn);
      return () => void listeners.delete(fn);
    },
  };
}

/** The kernel's topics and the computed ones under one roof. */
export function withComputed(
  actors: Pick<ActorSystem, 'refused' | 'slice' | 'behind' | 'follow' | 'onPublish'>,
  topics: readonly Computed[],
): TopicSource {
  const ownerOf = (name: string): Computed | undefined => topics.find((t) => t.owns(name));
  const mayRead = askedTogether(actors);
  return {
    async authorize(name, p) {
      const own = ownerOf(name);
      if (own === undefined && /^(system|ops)\//.test(name)) throw new KernelProblem(refusal('UNKNOWN_TOPIC', name.slice(0, 200)));
      if (own === undefined) {
        const topic = formatTopic(parseTopic(name));
        await mayRead(topic, p);
        return topic;
      }
      if (own.readers === 'everybody') return name;
      if (p.kind === 'anonymous') throw new KernelProblem(refusal('UNAUTHENTICATED'));
      await own.authorize(name, p);
      return name;
    },
    async refused(name, readers) {
      const own = ownerOf(name);
      if (own === undefined) return actors.refused(name, readers);
      const refused = new Map<Principal, KernelProblem>();
      if (own.readers === 'everybody') return refused;
      for (const p of readers) {
        try {
          await own.authorize(name, p);
        } catch (error) {
          if (!(error instanceof KernelProblem)) throw error;
          refused.set(p, error);
        }
      }
      return refused;
    },
    async slice(name, cursor) {
      const own = ownerOf(name);
      return own === undefined ? actors.slice(name, cursor) : own.slice(name, cursor);
    },
    async behind(heads) {
      const theirs = heads.filter((h) => ownerOf(h.t) === undefined);
      const own = heads.filter((h) => ownerOf(h.t)?.isBehind(h) === true).map((h) => h.t);
      return [...own, ...(theirs.length === 0 ? [] : await actors.behind(theirs))];
    },
    onPublish(fn) {
      const stops = [actors.onPublish((p) => fn(p, false)), ...topics.map((t) => t.onPublish((p) => fn(p, true)))];
      return () => {
        for (const stop of stops) stop();
      };
    },
    // where computed topics stand is another number at every node
    follow: (followers) =>
      actors.follow({ ...followers, announce: (names) => followers.announce(names.filter((name) => ownerOf(name) === undefined)) }),
  };
}

/** @throws Error naming the topics that are declared twice */
export function checkCatalogue(kinds: readonly ActorKind[], topics: readonly Computed[]): void {
  const names = [...kinds.flatMap((k) => (k.topics ?? []).map((t) => `${t.subject}:{id}/${t.view}`)), ...topics.map((t) => t.name)];
  const twice = names.filter((name, i) => names.indexOf(name) !== i);
  if (twice.length > 0) throw new Error(`declared twice: ${twice.join(', ')}`);
}
