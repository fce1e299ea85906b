import { api } from '../lib/http.ts';
import type { Replies } from '../generated/replies.ts';
import { PAGE } from './pages.ts';

export type ActorRow = Replies['GET /v1/admin/actors']['items'][number];

export type StateValue = string | { readonly [region: string]: StateValue };

export type ActorReport = Replies['GET /v1/admin/actors/:kind/:id'] & { readonly value: StateValue };

export type JournalRow = Replies['GET /v1/admin/actors/:kind/:id/journal']['items'][number];

export interface Transition {
  readonly target?: readonly string[];
  readonly guard?: unknown;
  readonly actions?: readonly unknown[];
}

/** A machine as XState describes it. */
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

export type Machine = Replies['GET /v1/admin/machines/:kind'] & { readonly definition: Definition };

export interface Filter {
  readonly kind: string;
  readonly state: string;
  readonly status: string;
  readonly slot: string;
  readonly q: string;
  readonly sort: string;
}

/** A state that an actor had after one of its events. */
export type Past = Replies['GET /v1/admin/actors/:kind/:id/at/:seq'] & { readonly state: Pick<ActorReport, 'value' | 'context'> };

export type Explained = Replies['GET /v1/admin/actors/:kind/:id/microsteps/:seq'];
export type Microstep = Explained['microsteps'][number];

/** What a command would do. */
export type Outlook = Replies['POST /v1/admin/actors/:kind/:id/what-if'];

export type DeadLetter = Replies['GET /v1/admin/dead']['items'][number];
export type QueueHealth = Replies['GET /v1/admin/queues']['items'][number];
export type DeadJob = Replies['GET /v1/admin/queues/:queue/dlq']['items'][number];
export type Job = Replies['GET /v1/admin/queues/:queue/jobs']['items'][number];
export type AuditEntry = Replies['GET /v1/admin/audit']['items'][number];
export type Cluster = Replies['GET /v1/admin/cluster'];
export type ClusterNode = Cluster['nodes'][number];
export type Pause = Replies['GET /v1/admin/pauses']['items'][number];

/** The filter that lets every actor through. */
export const everything: Filter = { kind: '', state: '', status: '', slot: '', q: '', sort: '' };

const path = (ref: string): string => {
  const at = ref.indexOf(':');
  return `/v1/admin/actors/${encodeURIComponent(ref.slice(0, at))}/${encodeURIComponent(ref.slice(at + 1))}`;
};

export function listActors(filter: Filter, cursor?: string): Promise<Replies['GET /v1/admin/actors']> {
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

export const poke = (
  ref: string,
  type: string,
  payload: object,
  reason: string,
  key: string,
): Promise<Replies['POST /v1/admin/actors/:kind/:id/poke']> => api('POST', `${path(ref)}/poke`, { type, payload, reason }, key);

export type Verb = 'pause' | 'resume' | 'passivate' | 'resnapshot' | 'erase';

export const act = (ref: string, verb: Verb, reason: string): Promise<void> => api('POST', `${path(ref)}/${verb}`, { reason });

export const settleTimer = (ref: string, id: string, verb: 'fire' | 'cancel', reason: string): Promise<void> =>
  api('POST', `${path(ref)}/timers/${encodeURIComponent(id)}/${verb}`, { reason });

export const listDead = (all: boolean, before?: number): Promise<{ items: DeadLetter[] }> =>
  api('GET', `/v1/admin/dead?limit=${PAGE}&all=${all}${before === undefined ? '' : `&before=${before}`}`);

export const settleDead = (id: number, verb: 'retry' | 'discard', reason: string): Promise<void> =>
  api('POST', `/v1/admin/dead/${id}/${verb}`, { reason });

const ofQueue = (queue: string): string => `/v1/admin/queues/${encodeURIComponent(queue)}`;
const dlq = (queue: string): string => `${ofQueue(queue)}/dlq`;

export const turnQueue = (queue: string, verb: 'pause' | 'resume', reason: string): Promise<void> =>
  api('POST', `${ofQueue(queue)}/${verb}`, { reason });

export const listJobs = async (
  queue: string,
  filter: { readonly state: string } | { readonly q: string },
  after?: string,
): Promise<{ items: (Job & { id: string })[] }> => {
  const query = new URLSearchParams({ ...filter, limit: String(PAGE), ...(after === undefined ? {} : { after }) });
  const { items } = await api<Replies['GET /v1/admin/queues/:queue/jobs']>('GET', `${ofQueue(queue)}/jobs?${query.toString()}`);
  return { items: items.map((job) => ({ ...job, id: job.jobId })) };
};

export const settleJob = (queue: string, jobId: string, verb: 'promote' | 'discard', reason: string): Promise<void> =>
  api('POST', `${ofQueue(queue)}/jobs/${jobId}/${verb}`, { reason });

export const listDeadJobs = async (queue: string, before?: string): Promise<{ items: (DeadJob & { id: string })[] }> => {
  const { items } = await api<Replies['GET /v1/admin/queues/:queue/dlq']>(
    'GET',
    `${dlq(queue)}?limit=${PAGE}${before === undefined ? '' : `&before=${before}`}`,
  );
  return { items: items.map((job) => ({ ...job, id: job.jobId })) };
};

export const replayJob = (queue: string, jobId: string, reason: string): Promise<void> =>
  api('POST', `${dlq(queue)}/${jobId}/replay`, { reason });

/** The last 500 of the queue. */
export const replayJobs = (queue: string, reason: string): Promise<void> => api('POST', `${dlq(queue)}/replay`, { reason });

export const discardJob = (queue: string, jobId: string, reason: string): Promise<void> =>
  api('DELETE', `${dlq(queue)}/${jobId}?reason=${encodeURIComponent(reason)}`);

export const listAudit = (action: string, before?: number): Promise<{ items: AuditEntry[] }> => {
  const query = new URLSearchParams({ limit: String(PAGE) });
  if (action !== '') query.set('action', action);
  if (before !== undefined) query.set('before', String(before));
  return api('GET', `/v1/admin/audit?${query.toString()}`);
};

export const readCluster = (): Promise<Cluster> => api('GET', '/v1/admin/cluster');

export const listPauses = (): Promise<{ items: Pause[] }> => api('GET', '/v1/admin/pauses');

/** @param scope `all`, `kind:K` or `slot:N` */
export function setPause(verb: 'pause' | 'resume', scope: string, reason: string): Promise<void> {
  const [what, name] = scope.split(':');
  const named = what === 'all' ? {} : what === 'kind' ? { kind: name } : { slot: Number(name) };
  return api('POST', `/v1/admin/${verb}`, { ...named, reason });
}

/** Every kind of actor that this server knows. */
export const listKinds = async (): Promise<string[]> =>
  (await api<Replies['GET /v1/admin/machines']>('GET', '/v1/admin/machines')).items.map((m) => m.kind).sort();
