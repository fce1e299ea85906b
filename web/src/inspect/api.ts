import { api } from '../lib/http.ts';

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
  readonly definition: Definition;
}

export interface Filter {
  readonly kind: string;
  readonly state: string;
  readonly status: string;
  readonly q: string;
}

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

/** Every kind of actor that this server knows. */
export const listKinds = async (): Promise<string[]> =>
  (await api<{ items: { kind: string }[] }>('GET', '/v1/admin/machines')).items.map((m) => m.kind).sort();
