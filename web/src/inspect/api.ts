import { api } from '../lib/http.ts';
import { PAGE } from './pages.ts';

export interface ActorRow {
  readonly ref: string;
  readonly kind: string;
  readonly id: string;
  readonly status: string;
  readonly state: string | null;
  readonly lastSeq: number;
  readonly lastAt: string | null;
}

export interface ActorReport extends ActorRow {
  readonly seq: number;
  readonly mver: number;
  readonly value: StateValue;
  readonly context: { readonly [key: string]: unknown };
  readonly timers: { readonly [id: string]: { readonly type: string; readonly due: string; readonly seq: number } };
  readonly calls: { readonly [id: string]: number };
  readonly logs: { readonly [view: string]: number };
  readonly slot: number;
  readonly temperature: string;
  readonly mailbox: number;
}

export type StateValue = string | { readonly [region: string]: StateValue };

export interface JournalRow {
  readonly seq: number;
  readonly at: string;
  readonly type: string;
  readonly event: unknown;
  readonly patch: unknown;
  readonly reply: unknown;
  readonly mver: number;
  readonly meta: unknown;
}

export interface Transition {
  readonly target?: readonly string[];
  readonly guard?: unknown;
  readonly actions?: readonly unknown[];
}

export interface Definition {
  readonly id: string;
  readonly key: string;
  readonly type: string;
  readonly initial?: string;
  readonly tags?: readonly string[];
  readonly invoke?: readonly { readonly id: string; readonly src: string }[];
  readonly on?: { readonly [event: string]: readonly Transition[] };
  readonly always?: readonly Transition[];
  readonly states?: { readonly [key: string]: Definition };
}

export interface Machine {
  readonly kind: string;
  readonly version: number;
  readonly hash: string;
  readonly commands: readonly string[];
  readonly definition: Definition;
}

export interface Filter {
  readonly kind: string;
  readonly state: string;
  readonly status: string;
  readonly slot: string;
  readonly q: string;
  readonly sort: string;
}

/** A state that an actor had after one of its events. */
export interface Past {
  readonly seq: number;
  readonly state: { readonly value: StateValue; readonly context: { readonly [key: string]: unknown } };
}

export interface Microstep {
  readonly event: string;
  readonly taken: readonly {
    readonly event: string;
    readonly source: string;
    readonly targets: readonly string[];
    readonly guard?: string;
  }[];
  readonly guards: readonly { readonly guard: string; readonly answer: boolean }[];
  readonly actions: readonly { readonly type: string; readonly params?: unknown }[];
}

export interface Explained {
  readonly microsteps: readonly Microstep[];
  readonly agrees: boolean;
  readonly fault?: string;
}

/** What a command would do. */
export interface Outlook {
  readonly seq: number;
  readonly accepted: boolean;
  readonly reply?: unknown;
  readonly refusal?: { readonly code: string; readonly detail?: string; readonly details?: unknown };
  readonly stateText: string;
  readonly patch: unknown;
  readonly microsteps: readonly Microstep[];
  readonly messages: readonly unknown[];
  readonly effects: readonly unknown[];
  readonly armed: { readonly [id: string]: unknown };
  readonly cancelled: readonly string[];
  readonly rows: readonly unknown[];
}

export interface DeadLetter {
  readonly id: number;
  readonly ref: string;
  readonly source: string;
  readonly event: unknown;
  readonly error: unknown;
  readonly attempts: number;
  readonly at: string;
  readonly resolvedAt: string | null;
  readonly resolution: string | null;
}

export interface AuditEntry {
  readonly id: number;
  readonly at: string;
  readonly admin: string;
  readonly action: string;
  readonly actorId: string | null;
  readonly reason: string | null;
  readonly detail: unknown;
}

export interface Pause {
  readonly scope: string;
  readonly reason: string;
  readonly admin: string;
  readonly at: string;
}

/** The filter that lets every actor through. */
export const everything: Filter = { kind: '', state: '', status: '', slot: '', q: '', sort: '' };

const path = (ref: string): string => {
  const at = ref.indexOf(':');
  return `/v1/admin/actors/${encodeURIComponent(ref.slice(0, at))}/${encodeURIComponent(ref.slice(at + 1))}`;
};

export function listActors(filter: Filter, cursor?: string): Promise<{ items: ActorRow[]; nextCursor?: string }> {
  const query = new URLSearchParams({ limit: '50' });
  for (const [key, value] of Object.entries({ ...filter, cursor })) if (value !== undefined && value !== '') query.set(key, value);
  return api('GET', `/v1/admin/actors?${query.toString()}`);
}

export const readActor = (ref: string): Promise<ActorReport> => api('GET', path(ref));

export const readJournal = (ref: string, o: { before?: number; after?: number; limit: number }): Promise<{ items: JournalRow[] }> => {
  const query = new URLSearchParams(Object.entries(o).flatMap(([k, v]) => (v === undefined ? [] : [[k, String(v)]])));
  return api('GET', `${path(ref)}/journal?${query.toString()}`);
};

export const readMachine = (kind: string): Promise<Machine> => api('GET', `/v1/admin/machines/${encodeURIComponent(kind)}`);

export const readPast = (ref: string, seq: number): Promise<Past> => api('GET', `${path(ref)}/at/${seq}`);

export const readWhy = (ref: string, seq: number): Promise<Explained> => api('GET', `${path(ref)}/microsteps/${seq}`);

export const whatIf = (ref: string, event: object, seq: number | undefined): Promise<Outlook> =>
  api('POST', `${path(ref)}/what-if`, { event, ...(seq === undefined ? {} : { seq }) });

export const poke = (ref: string, type: string, payload: object, reason: string, key: string): Promise<{ seq: number; reply: unknown }> =>
  api('POST', `${path(ref)}/poke`, { type, payload, reason }, key);

export type Verb = 'pause' | 'resume' | 'passivate' | 'resnapshot' | 'erase';

export const act = (ref: string, verb: Verb, reason: string): Promise<void> => api('POST', `${path(ref)}/${verb}`, { reason });

export const settleTimer = (ref: string, id: string, verb: 'fire' | 'cancel', reason: string): Promise<void> =>
  api('POST', `${path(ref)}/timers/${encodeURIComponent(id)}/${verb}`, { reason });

export const listDead = (all: boolean, before?: number): Promise<{ items: DeadLetter[] }> =>
  api('GET', `/v1/admin/dead?limit=${PAGE}&all=${all}${before === undefined ? '' : `&before=${before}`}`);

export const settleDead = (id: number, verb: 'retry' | 'discard', reason: string): Promise<void> =>
  api('POST', `/v1/admin/dead/${id}/${verb}`, { reason });

export const listAudit = (action: string, before?: number): Promise<{ items: AuditEntry[] }> => {
  const query = new URLSearchParams({ limit: String(PAGE) });
  if (action !== '') query.set('action', action);
  if (before !== undefined) query.set('before', String(before));
  return api('GET', `/v1/admin/audit?${query.toString()}`);
};

export const listPauses = (): Promise<{ items: Pause[] }> => api('GET', '/v1/admin/pauses');

/** @param scope `all`, `kind:K` or `slot:N` */
export function setPause(verb: 'pause' | 'resume', scope: string, reason: string): Promise<void> {
  const [what, name] = scope.split(':');
  const named = what === 'all' ? {} : what === 'kind' ? { kind: name } : { slot: Number(name) };
  return api('POST', `/v1/admin/${verb}`, { ...named, reason });
}

/** Every kind of actor that this server knows. */
export const listKinds = async (): Promise<string[]> =>
  (await api<{ items: { kind: string }[] }>('GET', '/v1/admin/machines')).items.map((m) => m.kind).sort();
