/** An event of an actor as the messages of the live feed tell it. */
import type { Sighting } from '../../actors/feed.ts';
import { stateText } from '../../actors/machine.ts';
import type { Json, Principal } from '../../actors/types.ts';
import type { Inspection } from './messages.ts';
import type { Redactor } from './redact.ts';
import { unmasked } from './redact.ts';
import type { Listener } from './watches.ts';

/** of a message of the feed */
const VERSION = '1';
/** a context whose JSON may have more bytes is left out */
const CONTEXT_BYTES = 32_768;
/** actors of which a connection is remembered to have heard */
const MOST_ACTORS = 5_000;

const sourceOf = ({ kind, id }: Principal): string => (kind === 'actor' ? id : `${kind}:${id}`);

export interface Teller {
  readonly node: string;
  readonly redactor: Redactor;
  readonly definition: (kind: string) => string;
  readonly newId: () => string;
}

/** Remembers what the listener has heard of. */
export function tellingOf(t: Teller, s: Sighting, to: Listener): Inspection[] {
  const { at, rt, event, reply, next } = s;
  const { kind, version } = rt.def;
  const eyes = to.pii ? unmasked : t.redactor;
  const base = () => ({
    id: t.newId(),
    sessionId: at.ref,
    rootId: at.ref,
    createdAt: String(s.seenAt),
    _version: VERSION,
    node: t.node,
    seq: next?.seq ?? reply.seq,
  });
  const told = { ...(eyes.event(kind, event.type, event.payload as Json) as object), type: event.type };
  const messages: Inspection[] = [];
  const snapshot = next === undefined ? undefined : snapshotOf(eyes, kind, next);
  if (snapshot !== undefined && !to.actors.has(at.ref)) {
    if (to.actors.size >= MOST_ACTORS) to.actors.clear();
    to.actors.add(at.ref);
    const machine = `${kind}@${version}`;
    const definition = to.machines.has(machine) ? {} : { definition: t.definition(kind) };
    to.machines.add(machine);
    messages.push({ ...base(), type: '@xstate.actor', name: at.ref, machine, ...definition, snapshot });
  }
  messages.push({
    ...base(),
    type: '@xstate.event',
    sourceId: sourceOf(event.from),
    event: told,
    at: next?.at ?? s.seenAt,
    ...(event.cause === undefined ? {} : { cause: event.cause }),
    ...(reply.ok ? { outcome: 'ok' } : { outcome: 'refused', code: reply.error.code }),
  });
  if (next === undefined || snapshot === undefined) return messages;
  messages.push({
    ...base(),
    type: '@xstate.snapshot',
    event: told,
    snapshot,
    state: stateText(next.state.value),
    durationUs: s.durationUs,
    commitMs: s.commitMs,
    transitions: s.transitions.flatMap((index) => {
      const info = rt.transitions.list[index];
      return info === undefined ? [] : [{ index, ...info, targets: [...info.targets] }];
    }),
    mailbox: s.mailbox,
    uncommitted: s.uncommitted,
  });
  return messages;
}

function snapshotOf(eyes: Redactor, kind: string, { state, size }: NonNullable<Sighting['next']>) {
  const shown = size > CONTEXT_BYTES ? undefined : eyes.state(kind, state);
  return {
    value: state.value,
    status: state.status,
    ...(shown === undefined ? {} : { context: shown.context }),
    ...(shown?.output === undefined ? {} : { output: shown.output }),
    children: {},
  };
}
