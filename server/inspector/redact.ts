/** What the inspector shows of actors, with the fields masked that schemas mark as personal (kernel 13). */
import type { z } from 'zod';
import type { ActorKind } from '../../actors/define.ts';
import { kernelProblems } from '../../actors/errors.ts';
import type { Microstep } from '../../actors/tracing.ts';
import type { Patch } from '../../actors/patch.ts';
import { splitRef } from '../../actors/ids.ts';
import type { ActorState, Json, Refusal } from '../../actors/types.ts';
import { masked, maskedAt, maskOf } from './mask.ts';

type Row = { readonly into: string; readonly op: string; readonly row: { readonly [column: string]: Json } };

/** Every member gives its argument with personal fields masked; `kind` is that of the actor. */
export interface Redactor {
  state(kind: string, state: ActorState): ActorState;
  context(kind: string, context: ActorState['context']): ActorState['context'];
  patch(kind: string, patch: Patch): Patch;
  /** payload of an event, without its type */
  event(kind: string, type: string, payload: Json): Json;
  reply(kind: string, type: string, reply: Json): Json;
  refusal(error: Refusal): Refusal;
  /** @param type of the event that began the macrostep */
  microsteps(kind: string, type: string, steps: readonly Microstep[]): Microstep[];
  effect(kind: string, src: string, input: Json): Json;
  row(kind: string, row: Row): Row;
  item(kind: string, view: string, item: Json): Json;
  /** the event and the error of a dead letter */
  letter(kind: string, letter: { readonly event: Json; readonly error: Json }): { event: Json; error: Json };
  /** what a background job was to do, and what its attempts have met: handlers may say anything */
  job<E extends { readonly message: string }>(job: {
    readonly payload: Json;
    readonly errors: readonly E[];
  }): { payload: Json; errors: E[] };
}

type Dict = { readonly [key: string]: Json };
const isDict = (v: unknown): v is Dict => typeof v === 'object' && v !== null && !Array.isArray(v);

/** what the kernel itself says of an event or a failure; everything else of it may be anything */
const KERNEL_FIELDS = new Set(['code', 'attempts', 'actorId', 'to', 'command', 'timer']);

function ofKernel(payload: Json): Json {
  if (!isDict(payload)) return hidden(payload);
  const show = (key: string, v: Json): Json => {
    if (key === 'error') return ofKernel(v);
    return KERNEL_FIELDS.has(key) && !isDict(v) ? v : hidden(v);
  };
  return Object.fromEntries(Object.entries(payload).map(([key, v]) => [key, show(key, v)]));
}

const DONE = 'xstate.done.actor.';
const isKernelEvent = (type: string): boolean => type.startsWith('xstate.') || type.startsWith('thrum.');
const text = (value: Json | undefined): string => (typeof value === 'string' ? value : '');
const hidden = (value: Json | undefined): Json => masked(undefined, value) as Json;
const textHidden = (value: unknown): string => String(maskOf(value));

/** For people who may see everything. */
export const unmasked: Redactor = {
  state: (_kind, state) => state,
  context: (_kind, context) => context,
  patch: (_kind, patch) => patch,
  event: (_kind, _type, payload) => payload,
  reply: (_kind, _type, reply) => reply,
  refusal: (error) => error,
  microsteps: (_kind, _type, steps) => [...steps],
  effect: (_kind, _src, input) => input,
  row: (_kind, row) => row,
  item: (_kind, _view, item) => item,
  letter: (_kind, { event, error }) => ({ event, error }),
  job: ({ payload, errors }) => ({ payload, errors: [...errors] }),
};

export function createRedactor(kinds: readonly ActorKind[]): Redactor {
  const byKind = new Map(kinds.map((def) => [def.kind, def]));
  const sources = new Map(kinds.map((def) => [def.kind, invokesOf(def)]));

  const byMachines = new Set(kinds.flatMap((def) => Object.values(def.commands).flatMap((c) => c.rejects)));
  /** The kernel's own refusals speak of types, states and limits; those of machines, and what a machine threw, of anything. */
  const isKernels = (code: string): boolean => code in kernelProblems && code !== 'ACTOR_FAULT' && !byMachines.has(code);
  const itemSchema = (kind: string, view: string): z.ZodType | undefined => {
    const topic = byKind.get(kind)?.topics?.find((t) => t.view === view);
    return topic === undefined || topic.kind === 'state' ? undefined : topic.item;
  };
  const show = (schema: z.ZodType | undefined, value: Json): Json => masked(schema, value) as Json;

  const redactor: Redactor = {
    context: (kind, context) => show(byKind.get(kind)?.context, context) as ActorState['context'],
    state: (kind, state) => ({
      ...state,
      context: redactor.context(kind, state.context),
      ...(state.output === undefined ? {} : { output: hidden(state.output) }),
    }),
    patch(kind, patch) {
      const { c, o, ...rest } = patch;
      const schema = byKind.get(kind)?.context;
      const set = c?.set?.map((entry) => {
        const found = maskedAt(schema, entry.slice(0, -1) as string[], entry.at(-1));
        return [...found.path, found.value] as Json[];
      });
      const del = c?.del?.map((path) => maskedAt(schema, path, null).path as unknown as typeof path);
      return {
        ...rest,
        ...(o === undefined ? {} : { o: hidden(o) }),
        ...(c === undefined ? {} : { c: { ...(set === undefined ? {} : { set }), ...(del === undefined ? {} : { del }) } }),
      };
    },
    event(kind, type, payload) {
      const def = byKind.get(kind);
      const command = def?.commands[type];
      if (command !== undefined) return show(command.input, payload);
      if (!isKernelEvent(type)) return hidden(payload);
      if (!type.startsWith(DONE) || !isDict(payload)) return ofKernel(payload);
      const effect = def?.effects?.[sources.get(kind)?.get(type.slice(DONE.length)) ?? ''];
      const { output, ...rest } = payload;
      return { ...(ofKernel(rest) as Dict), ...(output === undefined ? {} : { output: show(effect?.output, output) }) };
    },
    reply(kind, type, reply) {
      if (isDict(reply) && isDict(reply['$refused'])) {
        return { $refused: redactor.refusal(reply['$refused'] as unknown as Refusal) as unknown as Json };
      }
      return reply === null ? null : show(byKind.get(kind)?.commands[type]?.reply, reply);
    },
    refusal(error) {
      const { code, detail, details, ...rest } = error;
      if (isKernels(code)) return error;
      return {
        code,
        ...rest,
        ...(detail === undefined ? {} : { detail: textHidden(detail) }),
        ...(details === undefined ? {} : { details: hidden(details) as Dict }),
      };
    },
    effect: (kind, src, input) => show(byKind.get(kind)?.effects?.[src]?.input, input),
    item: (kind, view, item) => show(itemSchema(kind, view), item),
    row(kind, { into, op, row }) {
      if (into === 'items') return { into, op, row: { ...row, item: redactor.item(kind, text(row['view']), row['item'] ?? null) } };
      if (into === 'jobs') return { into, op, row: { ...row, payload: hidden(row['payload']) } };
      const companion = byKind.get(kind)?.companions?.[into];
      const shown = (column: string): boolean => companion?.columns[column] !== undefined && !companion.pii.includes(column);
      return { into, op, row: Object.fromEntries(Object.entries(row).map(([k, v]) => [k, shown(k) ? v : (maskOf(v) as Json)])) };
    },
    microsteps: (kind, type, steps) =>
      steps.map((s) => ({
        ...s,
        actions: s.actions.map((a) => (a.params === undefined ? a : { type: a.type, params: action(kind, type, a.type, a.params) })),
      })),
    job: ({ payload, errors }) => ({ payload: hidden(payload), errors: errors.map((e) => ({ ...e, message: textHidden(e.message) })) }),
    letter(kind, { event, error }) {
      if (!isDict(event)) return { event: hidden(event), error: ofKernel(error) };
      const { type, payload, input, to, src } = event;
      const receiver = typeof to === 'string' ? (splitRef(to)?.kind ?? '') : kind;
      return {
        event: {
          ...event,
          ...(payload === undefined ? {} : { payload: redactor.event(receiver, text(type), payload) }),
          ...(input === undefined ? {} : { input: redactor.effect(kind, text(src), input) }),
        },
        error: ofKernel(error),
      };
    },
  };

  function action(kind: string, command: string, type: string, params: Json): Json {
    if (type === 'reply') return redactor.reply(kind, command, params);
    if (!isDict(params)) return hidden(params);
    if (type === 'reject') return redactor.refusal(params as unknown as Refusal) as unknown as Json;
    if (type === 'tell') {
      const { to, type: sent, payload } = params;
      if (payload === undefined) return params;
      return { ...params, payload: redactor.event(splitRef(text(to))?.kind ?? '', text(sent), payload) };
    }
    if (type === 'publish') return { ...params, item: redactor.item(kind, text(params['view']), params['item'] ?? null) };
    if (type === 'row') {
      const { into, op, row } = params;
      return redactor.row(kind, { into: text(into), op: text(op), row: isDict(row) ? row : {} });
    }
    if (type === 'job') return { ...params, data: hidden(params['data']) };
    if (type === 'xstate.spawnChild') return { ...params, input: redactor.effect(kind, text(params['src']), params['input'] ?? null) };
    if (type === 'xstate.raise' || type === 'xstate.cancel' || type === 'xstate.stopChild') return params;
    return hidden(params);
  }
  return redactor;
}

/** The effect behind each invocation of a kind. */
function invokesOf({ machine }: ActorKind): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const waiting = [machine.root];
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    for (const { id, src } of node.invoke) if (typeof src === 'string') found.set(id, src);
    waiting.push(...Object.values(node.states));
  }
  return found;
}
