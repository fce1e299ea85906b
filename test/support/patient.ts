/** A kind whose personal fields go everywhere that an event can carry them: context, reply, refusal, message, item, row, job, effect, timer, fault. */
import { assign, enqueueActions, setup } from 'xstate';
import { z } from 'zod';
import { command, companion, defineActor, defineTopic, effect, effectRef, kernel, personal } from '../../actors/define.ts';
import { self } from '../../actors/scope.ts';

const secret = z.string().meta(personal);
const Contact = z.union([z.strictObject({ email: secret }), z.strictObject({ phone: secret, kind: z.string() })]);
const context = z.strictObject({
  ward: z.string(),
  name: secret,
  contact: Contact.nullable(),
  notes: z.record(z.string(), z.strictObject({ at: z.number(), text: secret })),
  pulse: z.array(z.number().meta(personal)),
});
export type PatientContext = z.infer<typeof context>;

const Admit = z.strictObject({ ward: z.string(), name: secret, contact: Contact });
const Note = z.strictObject({ text: secret, pulse: z.number().meta(personal) });

type Event =
  | ({ type: 'patient.admit' } & z.infer<typeof Admit>)
  | ({ type: 'patient.note' } & z.infer<typeof Note>)
  | { type: 'patient.told'; about: string }
  | { type: 'patient.refuse'; text: string }
  | { type: 'patient.crash'; text: string };

const text = ({ event }: { event: Event }): string => ('text' in event ? event.text : '');

const machine = setup({
  types: { context: {} as PatientContext, events: {} as Event },
  actions: {
    ...kernel.actions,
    admit: assign(({ event }) => (event.type === 'patient.admit' ? { ward: event.ward, name: event.name, contact: event.contact } : {})),
    note: assign(({ context: c, event }) =>
      event.type === 'patient.note'
        ? {
            notes: { ...c.notes, [String(Object.keys(c.notes).length)]: { at: event.pulse % 7, text: event.text } },
            pulse: [...c.pulse, event.pulse],
          }
        : {},
    ),
    spread: enqueueActions(({ enqueue, event }) => {
      const said = text({ event });
      enqueue({ type: 'tell', params: { to: 'patient:other', type: 'patient.told', payload: { about: said } } });
      enqueue({ type: 'publish', params: { view: 'notes', item: { text: said } } });
      enqueue({ type: 'row', params: { into: 'files', op: 'put', row: { id: self(), ward: 'w', text: said } } });
      enqueue({ type: 'job', params: { queue: 'mail', name: 'send', data: { text: said } } });
    }),
  },
  actors: { measure: effectRef<{ text: string }, { pulse: number }>('measure') },
  guards: {
    explodes: ({ event }) => {
      throw new Error(`cannot handle ${text({ event })}`);
    },
  },
}).createMachine({
  id: 'patient',
  context: { ward: '', name: '', contact: null, notes: {}, pulse: [] },
  initial: 'in',
  on: {
    'patient.told': { actions: 'reply' },
    'patient.crash': { guard: 'explodes' },
    'patient.refuse': {
      actions: {
        type: 'reject',
        params: ({ event }: { event: Event }) => ({ code: 'NOT_WELL', detail: text({ event }), details: { text: text({ event }) } }),
      },
    },
  },
  states: {
    in: {
      on: {
        'patient.admit': { actions: ['admit', 'reply'] },
        'patient.note': {
          target: 'measuring',
          actions: [
            'note',
            'spread',
            { type: 'reply', params: ({ event }: { event: Event }) => ({ heard: text({ event }), length: text({ event }).length }) },
          ],
        },
      },
    },
    measuring: { invoke: { src: 'measure', input: ({ event }) => ({ text: text({ event }) }), onDone: 'in', onError: 'in' } },
  },
});

export const patient = defineActor<PatientContext>({
  kind: 'patient',
  version: 1,
  machine,
  context,
  maps: { notes: 1 },
  commands: {
    'patient.admit': command({ input: Admit, reply: z.null() }),
    'patient.note': command({ input: Note, reply: z.strictObject({ heard: secret, length: z.number() }) }),
    'patient.told': command({ input: z.strictObject({ about: secret }), reply: z.null() }),
    'patient.refuse': command({ input: z.strictObject({ text: secret }), reply: z.null(), rejects: ['NOT_WELL'] }),
    'patient.crash': command({ input: z.strictObject({ text: secret }), reply: z.null() }),
  },
  effects: {
    measure: effect({
      input: z.strictObject({ text: secret }),
      output: z.strictObject({ pulse: z.number().meta(personal) }),
      retry: { attempts: 1, base: 1, factor: 1, max: 1 },
    }),
  },
  topics: [
    defineTopic({
      subject: 'patient',
      view: 'notes',
      kind: 'log',
      version: 1,
      item: z.strictObject({ text: secret }),
      authorize: () => true,
      retainDays: 1,
      retainItems: 10,
    }),
  ],
  companions: {
    files: companion<PatientContext>({
      table: 'patient_files',
      key: ['id'],
      mode: 'upsert',
      columns: { id: 'text', ward: 'text', text: 'text' },
      pii: ['text'],
    }),
  },
});
