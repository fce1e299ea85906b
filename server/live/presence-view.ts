/** What is shown of somebody's connections (realtime R12). Pure: the same entries and the same time give the same view at every node. */
import { z } from 'zod';
import { keyOf, LISTED, SAMPLE, UNSEEN } from './roster.ts';
import type { Heard } from './roster.ts';

export const PresenceView = z.strictObject({
  online: z.boolean(),
  state: z.enum(['active', 'idle', 'away']),
  since: z.int().optional().describe('epoch ms; absent when the node has not seen the person'),
  clients: z.strictObject({ web: z.int(), mobile: z.int() }),
});
export type PresenceView = z.output<typeof PresenceView>;
type State = PresenceView['state'];

/** What the node of a connection says of it. Short names: it is repeated every 20 s for every connection. */
const Entry = z.object({
  /** a page or a registered device */
  t: z.enum(['web', 'mobile']),
  /** until when it counts as active, epoch ms; 0: it does not */
  u: z.number(),
  /** since when it is as it is, epoch ms */
  a: z.number(),
  /** whether somebody may be looking */
  v: z.boolean(),
  /** whether the person hides; absent while his actor has not said */
  h: z.boolean().optional(),
});
export type Entry = z.output<typeof Entry>;

/** What a node says to an organisation of a member who is connected to it: all his connections together. */
const MemberEntry = Entry.pick({ u: true, a: true });
export type MemberEntry = z.output<typeof MemberEntry>;

export const textOf = (entry: Entry | MemberEntry): string => JSON.stringify(entry);

/** The entries that can be read. */
export function readEntries(texts: Iterable<string>): Entry[] {
  return [...texts].flatMap((text) => {
    const read = Entry.safeParse(parsed(text));
    return read.success ? [read.data] : [];
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** How long an input makes somebody active, and how long nobody notices that he has gone. */
export const ACTIVE_MS = 300_000;
export const DEPARTURE_MS = 15_000;

export const AWAY: PresenceView = { online: false, state: 'away', clients: { web: 0, mobile: 0 } };

/** What a node remembers of somebody between two looks. */
export interface Seen {
  readonly state: State;
  /** epoch ms at which the state began, as far as this node knows */
  readonly since: number | undefined;
  /** epoch ms since which there has been no connection */
  readonly leftAt?: number;
}

export interface Look<Memory, View> {
  readonly memory: Memory;
  readonly view: View;
  /** epoch ms at which it looks different if nothing happens before */
  readonly until: number;
}

/** The state now. @param before undefined: nobody has looked before */
export function lookAt(before: Seen | undefined, entries: readonly Pick<Entry, 'u' | 'a'>[], now: number): { seen: Seen; until: number } {
  if (entries.length === 0) {
    if (before === undefined || before.state === 'away') return { seen: before ?? { state: 'away', since: undefined }, until: Infinity };
    const leftAt = before.leftAt ?? now;
    if (now < leftAt + DEPARTURE_MS) return { seen: { ...before, leftAt }, until: leftAt + DEPARTURE_MS };
    return { seen: { state: 'away', since: now }, until: Infinity };
  }
  const active = entries.filter((e) => e.u > now);
  const state = active.length > 0 ? 'active' : 'idle';
  const began = Math.min(...(active.length > 0 ? active : entries).map((e) => e.a));
  const since = before === undefined ? began : before.state === state ? before.since : now;
  return { seen: { state, since }, until: active.length === 0 ? Infinity : Math.max(...active.map((e) => e.u)) };
}

/** Of one person. */
export function personView(
  before: { readonly seen: Seen; readonly view: PresenceView } | undefined,
  entries: readonly Entry[],
  now: number,
): Look<{ readonly seen: Seen; readonly view: PresenceView }, PresenceView> {
  const { seen, until } = lookAt(before?.seen, entries, now);
  const since = seen.since === undefined ? {} : { since: seen.since };
  let view: PresenceView;
  if (seen.state === 'away') view = before?.view.online === true ? { ...AWAY, ...since } : (before?.view ?? AWAY);
  else if (entries.length === 0) view = before?.view ?? AWAY;
  else if (entries.some((e) => e.h === true) || entries.every((e) => e.h === undefined)) view = AWAY;
  else {
    const clients = { web: 0, mobile: 0 };
    for (const { t } of entries) clients[t] += 1;
    view = { online: true, state: seen.state, clients, ...since };
  }
  return { memory: { seen, view }, view, until };
}

const Members = z.record(z.string(), z.strictObject({ state: z.enum(['active', 'idle']), since: z.int().optional().describe('epoch ms') }));
export const OrgPresenceView = z.strictObject({
  count: z.int().describe('members who are online and do not hide'),
  members: Members.optional().describe('by user; absent when there are more than 1,000'),
  sample: Members.optional().describe('the first 20 of more than 1,000, in order of their ids'),
});
export type OrgPresenceView = z.output<typeof OrgPresenceView>;

/** Of the members of an organisation that are online; `before` by user. */
export function orgView(
  before: ReadonlyMap<string, Seen> | undefined,
  heard: Heard,
  now: number,
): Look<ReadonlyMap<string, Seen>, OrgPresenceView> {
  const { said, hidden } = byUser(heard);
  const members = new Map<string, Seen>();
  let next = Infinity;
  for (const id of new Set([...said.keys(), ...(before?.keys() ?? [])])) {
    // who hides does not linger like somebody who has left
    if (hidden.has(id)) continue;
    const { seen, until } = lookAt(before?.get(id), said.get(id) ?? [], now);
    if (seen.state === 'away') continue;
    members.set(id, seen);
    next = Math.min(next, until);
  }
  const count = heard.count ?? members.size;
  const listed = [...members.keys()].sort().slice(0, count > LISTED ? SAMPLE : LISTED);
  const shown = Object.fromEntries(listed.map((id) => [id, memberOf(members.get(id))]));
  return { memory: members, view: count > LISTED ? { count, sample: shown } : { count, members: shown }, until: next };
}

function memberOf(seen: Seen | undefined): z.output<typeof Members>[string] {
  return { state: seen?.state === 'active' ? 'active' : 'idle', ...(seen?.since === undefined ? {} : { since: seen.since }) };
}

function byUser({ entries }: Heard): { said: Map<string, MemberEntry[]>; hidden: Set<string> } {
  const said = new Map<string, MemberEntry[]>();
  const hidden = new Set<string>();
  for (const [entry, text] of entries) {
    const id = keyOf(entry);
    const read = MemberEntry.safeParse(parsed(text));
    if (text === UNSEEN) hidden.add(id);
    else if (read.success) said.set(id, [...(said.get(id) ?? []), read.data]);
  }
  return { said, hidden };
}
