import { z } from 'zod';
import { command, defineActor, defineTopic } from '../../../actors/define.ts';
import type { Snap } from '../../../actors/define.ts';
import { lockerMachine } from './locker.machine.ts';
import { LockerContext, LockerStatus, LockerVisit, Reserve } from './schema.ts';

const status = defineTopic({
  subject: 'locker',
  view: 'status',
  kind: 'state',
  version: 1,
  schema: LockerStatus,
  authorize: () => true,
  project: (s: Snap<LockerContext>) => ({
    free: s.matches('free'),
    opened: s.context.opened,
    ...(s.context.parcel === '' ? {} : { parcel: s.context.parcel }),
  }),
});

const visits = defineTopic({
  subject: 'locker',
  view: 'visits',
  kind: 'log',
  version: 1,
  item: LockerVisit,
  retainDays: 30,
  retainItems: 1_000,
  authorize: (p) => p.roles.includes('staff'),
});

export const locker = defineActor<LockerContext>({
  kind: 'locker',
  version: 1,
  machine: lockerMachine,
  context: LockerContext,
  commands: {
    'locker.reserve': command({ input: Reserve, reply: z.null(), rejects: ['SLOT_UNAVAILABLE'] }),
    'locker.fill': command({ input: z.strictObject({}), reply: z.null() }),
    'locker.empty': command({ input: z.strictObject({}), reply: z.null() }),
  },
  create: ['locker.reserve'],
  topics: [status, visits],
});
