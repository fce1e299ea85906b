/**
 * What one event changes, as data: computed by reference comparison, so its cost is that of the change and not that of the state, and
 * folded without running any machine code. Format: kernel specification 6.2.
 */
import type { ActorState, ArmedTimer, Json, StateValue } from './types.ts';

export type Path = readonly [string] | readonly [string, string] | readonly [string, string, string];
type Entry = readonly Json[];
type Dict = { readonly [key: string]: Json };

export interface Patch {
  readonly v?: StateValue;
  readonly s?: 'active' | 'done';
  readonly o?: Json;
  readonly h?: { readonly [id: string]: readonly string[] } | null;
  readonly c?: { readonly set?: readonly Entry[]; readonly del?: readonly Path[] };
  readonly t?: {
    readonly set?: { readonly [id: string]: readonly [seq: number, due: number, type: string] };
    readonly del?: readonly string[];
  };
  readonly i?: { readonly set?: { readonly [id: string]: number }; readonly del?: readonly string[] };
  readonly l?: { readonly [view: string]: number };
}

/** Which context keys are dictionaries, and how deep. */
export type Maps = { readonly [key: string]: 1 | 2 };

export class PatchError extends Error {}

const forbidden = new Set(['__proto__', 'constructor', 'prototype']);

const isDict = (v: unknown): v is Dict => typeof v === 'object' && v !== null && !Array.isArray(v);

function checkKey(key: string): void {
  if (forbidden.has(key)) throw new PatchError(`the key ${key} is not allowed in a context`);
}

interface ContextDiff {
  set: Json[][] | undefined;
  del: string[][] | undefined;
}

/** `depth`: how far the entries below are dictionaries, by key or for all of them. Allocates for what has changed only. */
function diffDict(old: Dict, next: Dict, depth: Maps | number, path: readonly string[], out: ContextDiff): void {
  for (const key in next) {
    const value = next[key];
    const before = old[key];
    if (Object.is(before, value)) {
      if (value !== undefined || Object.hasOwn(old, key)) continue;
    }
    if (value === undefined) {
      if (before !== undefined) (out.del ??= []).push([...path, key]);
      continue;
    }
    checkKey(key);
    const below = typeof depth === 'number' ? depth : (depth[key] ?? 0);
    if (below > 0 && isDict(before) && isDict(value)) diffDict(before, value, below - 1, [...path, key], out);
    else (out.set ??= []).push(path.length === 0 ? [key, value] : [...path, key, value]);
  }
  for (const key in old) {
    if (old[key] !== undefined && !Object.hasOwn(next, key)) (out.del ??= []).push([...path, key]);
  }
}

const top: readonly string[] = [];

/** The difference of two contexts; `undefined` when there is none. Shared references are skipped at every level. */
export function diffContext(old: Dict, next: Dict, maps: Maps): Patch['c'] {
  if (old === next) return undefined;
  const out: ContextDiff = { set: undefined, del: undefined };
  diffDict(old, next, maps, top, out);
  const { set, del } = out;
  if (set === undefined && del === undefined) return undefined;
  const c: { set?: readonly Entry[]; del?: readonly Path[] } = {};
  if (set !== undefined) c.set = set;
  if (del !== undefined) c.del = del as unknown as Path[];
  return c;
}

/** Structural equality of state values, outputs and histories; cheap because they are small. */
export function sameJson(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length || Array.isArray(a) !== Array.isArray(b)) return false;
  return keys.every((key) => Object.hasOwn(b, key) && sameJson((a as Dict)[key], (b as Dict)[key]));
}

const byText = (a: Entry, b: Entry): number => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);
const inOrder = ({ c, ...rest }: Patch): object => ({
  ...rest,
  ...(c === undefined ? {} : { c: { set: c.set?.toSorted(byText) ?? [], del: c.del?.toSorted(byText) ?? [] } }),
});

/** Whether two patches do the same. Their entries follow the keys of the context, whose order a store need not keep (jsonb does not); no two have one path. */
export const samePatch = (a: Patch, b: Patch): boolean => sameJson(inOrder(a), inOrder(b));

const byKey = ([a]: [string, unknown], [b]: [string, unknown]): number => (a < b ? -1 : 1);

/** JSON text that is equal for equal values, in whatever order their keys were set. */
export const canonicalJson = (value: unknown): string =>
  JSON.stringify(value, (_key, v: unknown) => (isDict(v) ? Object.fromEntries(Object.entries(v).sort(byKey)) : v));

function diffTimers(old: ActorState['timers'], next: ActorState['timers']): Patch['t'] {
  if (old === next) return undefined;
  const set: Record<string, [number, number, string]> = {};
  const del: string[] = [];
  for (const [id, timer] of Object.entries(next)) {
    const before = old[id];
    if (before?.seq !== timer.seq || before.due !== timer.due || before.type !== timer.type) set[id] = [timer.seq, timer.due, timer.type];
  }
  for (const id of Object.keys(old)) if (!Object.hasOwn(next, id)) del.push(id);
  return pair(set, del);
}

function diffCalls(old: ActorState['calls'], next: ActorState['calls']): Patch['i'] {
  if (old === next) return undefined;
  const set: Record<string, number> = {};
  const del: string[] = [];
  for (const [id, seq] of Object.entries(next)) if (old[id] !== seq) set[id] = seq;
  for (const id of Object.keys(old)) if (!Object.hasOwn(next, id)) del.push(id);
  return pair(set, del);
}

function pair<T>(set: Record<string, T>, del: string[]): { set?: Record<string, T>; del?: string[] } | undefined {
  const some = Object.keys(set).length > 0;
  if (!some && del.length === 0) return undefined;
  return { ...(some ? { set } : {}), ...(del.length > 0 ? { del } : {}) };
}

function diffLogs(old: ActorState['logs'], next: ActorState['logs']): Patch['l'] {
  if (old === next) return undefined;
  const changed = Object.entries(next).filter(([view, n]) => old[view] !== n);
  return changed.length === 0 ? undefined : Object.fromEntries(changed);
}

/**
 * Patch that leads from `old` to `next`.
 *
 * @param maps context keys to compare entry by entry
 * @throws PatchError when a key could reach a prototype
 */
export function diff(old: ActorState, next: ActorState, maps: Maps): Patch {
  const patch: { -readonly [K in keyof Patch]: Patch[K] } = {};
  if (!sameJson(old.value, next.value)) patch.v = next.value;
  if (old.status !== next.status) patch.s = next.status;
  if (next.output !== undefined && !sameJson(old.output, next.output)) patch.o = next.output;
  if (!sameJson(old.history, next.history)) patch.h = next.history ?? null;
  const c = diffContext(old.context, next.context, maps);
  if (c !== undefined) patch.c = c;
  const t = diffTimers(old.timers, next.timers);
  if (t !== undefined) patch.t = t;
  const i = diffCalls(old.calls, next.calls);
  if (i !== undefined) patch.i = i;
  const l = diffLogs(old.logs, next.logs);
  if (l !== undefined) patch.l = l;
  return patch;
}

/** The state before an actor's first event. */
export const emptyState: ActorState = { value: '', status: 'active', context: {}, timers: {}, calls: {}, logs: {} };

const known = new Set(['v', 's', 'o', 'h', 'c', 't', 'i', 'l']);

/** Keys of a patch that this version does not know; such history was written by a newer format. */
export const unknownKeys = (patch: object): string[] => Object.keys(patch).filter((key) => !known.has(key));

function setAt(dict: Dict, path: readonly string[], value: Json): Dict {
  const [key, ...rest] = path;
  if (key === undefined) return dict;
  checkKey(key);
  if (rest.length === 0) return { ...dict, [key]: value };
  const inner = dict[key];
  return { ...dict, [key]: setAt(isDict(inner) ? inner : {}, rest, value) };
}

function deleteAt(dict: Dict, path: readonly string[]): Dict {
  const [key, ...rest] = path;
  if (key === undefined || !Object.hasOwn(dict, key)) return dict;
  if (rest.length === 0) {
    const { [key]: _gone, ...kept } = dict;
    return kept;
  }
  const inner = dict[key];
  return isDict(inner) ? { ...dict, [key]: deleteAt(inner, rest) } : dict;
}

function applyContext(context: Dict, c: NonNullable<Patch['c']>): Dict {
  let next = context;
  for (const path of c.del ?? []) next = deleteAt(next, path);
  for (const entry of c.set ?? []) next = setAt(next, entry.slice(0, -1) as string[], entry[entry.length - 1] ?? null);
  return next;
}

function applyDict<T, U>(
  dict: { readonly [id: string]: T },
  p: { set?: { readonly [id: string]: U }; del?: readonly string[] },
  make: (u: U) => T,
): { [id: string]: T } {
  const next: Record<string, T> = { ...dict };
  for (const id of p.del ?? []) delete next[id];
  for (const [id, value] of Object.entries(p.set ?? {})) next[id] = make(value);
  return next;
}

/** The state after the event. Total and pure; copies the objects on the path of each change and shares the rest. */
export function apply(state: ActorState, patch: Patch): ActorState {
  const history = patch.h === undefined ? state.history : (patch.h ?? undefined);
  const output = patch.o === undefined ? state.output : patch.o;
  return {
    value: patch.v ?? state.value,
    status: patch.s ?? state.status,
    context: patch.c === undefined ? state.context : applyContext(state.context, patch.c),
    ...(output === undefined ? {} : { output }),
    ...(history === undefined ? {} : { history }),
    timers: patch.t === undefined ? state.timers : applyDict(state.timers, patch.t, ([seq, due, type]): ArmedTimer => ({ seq, due, type })),
    calls: patch.i === undefined ? state.calls : applyDict(state.calls, patch.i, (seq) => seq),
    logs: patch.l === undefined ? state.logs : { ...state.logs, ...patch.l },
  };
}

/** State after a sequence of patches; no machine code runs. */
export const fold = (state: ActorState, patches: Iterable<Patch>): ActorState => {
  let next = state;
  for (const patch of patches) next = apply(next, patch);
  return next;
};
