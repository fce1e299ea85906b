import { assign, setup } from 'xstate';
import { z } from 'zod';
import { command, defineActor, defineTopic, kernel } from '../actors/define.ts';

interface BoardContext {
  stamp: number;
  text: string;
  rest: string;
}

/** What is written on a board; `stamp`: epoch ms with fractions at which it was sent, so that readers can tell how long it took. */
export const Mark = z.strictObject({ stamp: z.number(), text: z.string() });

const View = z.strictObject({ stamp: z.number(), text: z.string(), rest: z.string() });
/** The part of the view that never changes: a delta is worth its while. */
export const REST = 'the part of the view that stays as it is. '.repeat(90);

const view = (name: string, conflateMs: number) =>
  defineTopic({
    subject: 'board',
    view: name,
    kind: 'state',
    version: 1,
    schema: View,
    project: (s) => s.context as BoardContext,
    authorize: () => true,
    conflateMs,
    maxBytes: 131_072,
  });

/** An actor with a view of 4 kB, of which every command changes a part: `live` is published at once, `calm` ten times a second. */
export const board = defineActor<BoardContext>({
  kind: 'board',
  version: 1,
  machine: setup({
    types: { context: {} as BoardContext, events: {} as { type: 'board.mark'; stamp: number; text: string } },
    actions: kernel.actions,
  }).createMachine({
    id: 'board',
    context: { stamp: 0, text: '', rest: REST },
    initial: 'open',
    states: {
      open: {
        on: {
          'board.mark': {
            actions: [assign(({ event }) => ({ stamp: event.stamp, text: event.text })), { type: 'reply', params: null }],
          },
        },
      },
    },
  }),
  context: View,
  commands: { 'board.mark': command({ input: Mark, reply: z.null() }) },
  topics: [view('live', 0), view('calm', 100)],
});

/** `board:0` and so on, beside `board:b` */
export const BOARDS = 100;

/** ms since the epoch with fractions, comparable between processes of one machine */
export const stampNow = (): number => performance.timeOrigin + performance.now();
