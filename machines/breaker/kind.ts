import { z } from 'zod';
import type { Principal, Snap } from '../../actors/define.ts';
import { command, defineActor, defineTopic, platformOnly, query } from '../../actors/define.ts';
import { breakerMachine } from './machine.ts';
import { BreakerContext, Change, Nothing, Probe, Reported, Standing } from './schema.ts';
import type { BreakerState } from './schema.ts';

const staff = (p: Principal): boolean => platformOnly(p) || p.roles.includes('staff') || p.roles.includes('admin');
const operators = (p: Principal): boolean => p.kind === 'operator' || p.roles.includes('admin');
const actors = (p: Principal): boolean => p.kind === 'actor';

/** Every change of a circuit, for operators and for the other nodes. */
export const changes = defineTopic({
  subject: 'breaker',
  view: 'changes',
  kind: 'log',
  version: 1,
  item: Change,
  authorize: staff,
  retainDays: 30,
  retainItems: 1_000,
});

const fact = (input: z.ZodType) => command({ input, reply: Standing, allow: platformOnly });
const act = command({ input: Nothing, reply: Standing, allow: operators });

const standingOf = ({ value, context: { until, openings, rev } }: Snap<BreakerContext>): Standing => ({
  state: value as BreakerState,
  ...(until === undefined ? {} : { until }),
  openings,
  rev,
});

/** The circuit of one dependency: `breaker:{first 20 hex digits of the SHA-256 of its name}`. */
export const breaker = defineActor<BreakerContext>({
  kind: 'breaker',
  version: 1,
  machine: breakerMachine,
  retention: { journal: '7d' },
  context: BreakerContext,
  maps: { buckets: 1, subscribers: 1 },
  visible: staff,
  commands: {
    'calls.reported': fact(Reported),
    'probe.succeeded': fact(Probe),
    'probe.failed': fact(Probe),
    'breaker.isolate': act,
    'breaker.reset': act,
    'breaker.force': act,
    'breaker.subscribe': command({ input: Nothing, reply: z.null(), rejects: ['TOO_MANY_SUBSCRIBERS'], allow: actors }),
    'breaker.unsubscribe': command({ input: Nothing, reply: z.null(), allow: actors }),
  },
  queries: { standing: query<BreakerContext>({ input: Nothing, output: Standing, run: standingOf }) },
  topics: [changes],
  create: ['calls.reported'],
  createInput: (command) => {
    const { name, rules } = command as unknown as Reported;
    return { name, rules };
  },
  limits: { stateBytes: 32_768 },
});
