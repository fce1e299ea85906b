import { z } from 'zod';
import type { ActorRef, Principal, Snap } from '../../actors/define.ts';
import { command, defineActor, defineTopic, platformOnly, query } from '../../actors/define.ts';
import { alertRows } from './alert-row.ts';
import { anomalyMachine } from './anomaly.machine.ts';
import {
  Acknowledge,
  Backfill,
  Configure,
  Configured,
  Counted,
  Done,
  Feedback,
  Missed,
  Mute,
  Muted,
  Nothing,
  Observe,
  Resolve,
  Unmute,
} from './commands.ts';
import { monitorRows } from './monitor-row.ts';
import { MonitorContext } from './state.ts';
import { attends, LogItem, MonitorView, monitorView, operates, ScoresView, scoresView } from './views.ts';

const staffOrOwner = (p: Principal, _ref: ActorRef, s: Snap<MonitorContext>): boolean => attends(p, s);
const staff = (p: Principal): boolean => operates(p);

export const scores = defineTopic({
  subject: 'anomaly',
  view: 'scores',
  kind: 'state',
  version: 1,
  schema: ScoresView,
  project: (s) => scoresView(s),
  authorize: (p, { snap }) => attends(p, snap),
  conflateMs: 250,
  can: true,
});

export const alerts = defineTopic({
  subject: 'anomaly',
  view: 'alerts',
  kind: 'log',
  version: 1,
  item: LogItem,
  authorize: (p, { snap }) => attends(p, snap),
  retainDays: 365,
  retainItems: 10_000,
});

/** One monitored series: `anomaly:{ownerKind}:{ownerId}:{metric}`. */
export const anomaly = defineActor<MonitorContext>({
  kind: 'anomaly',
  version: 1,
  machine: anomalyMachine,
  retention: { journal: '90d' },
  context: MonitorContext,
  maps: { recent: 1, labels: 1 },
  visible: (p, _ref, s) => attends(p, s),
  owner: (_ref, s) => (s.context.ownerKind === 'user' ? s.context.ownerId : undefined),
  commands: {
    'anomaly.observe': command({ input: Observe, reply: z.null(), rejects: ['POINT_IN_FUTURE'], allow: platformOnly, fuse: true }),
    'anomaly.backfill': command({ input: Backfill, reply: z.null(), rejects: ['BACKFILL_GAP'], allow: platformOnly }),
    'anomaly.acknowledge': command({
      offline: 'queue',
      input: Acknowledge,
      reply: Done,
      rejects: ['NOT_FOUND', 'ALERT_CLOSED'],
      allow: staffOrOwner,
    }),
    'anomaly.resolve': command({ input: Resolve, reply: Done, rejects: ['NOT_FOUND', 'ALERT_CLOSED'], allow: staffOrOwner }),
    'anomaly.feedback': command({ offline: 'queue', input: Feedback, reply: Done, rejects: ['NOT_FOUND'], allow: staffOrOwner }),
    'anomaly.missed': command({ input: Missed, reply: Counted, allow: staffOrOwner }),
    'anomaly.mute': command({ input: Mute, reply: Muted, rejects: ['INVALID_RANGE'], allow: staffOrOwner }),
    'anomaly.unmute': command({ input: Unmute, reply: z.null(), allow: staffOrOwner }),
    'anomaly.configure': command({ input: Configure, reply: Configured, rejects: ['SEQ_MISMATCH'], allow: staff }),
    'anomaly.reset': command({ input: Nothing, reply: z.null(), allow: staff }),
    'anomaly.adopt': command({ input: Nothing, reply: z.null(), allow: staff }),
  },
  queries: {
    monitor: query<MonitorContext>({ input: Nothing, output: MonitorView, run: (s) => monitorView(s), allow: staffOrOwner }),
  },
  topics: [scores, alerts],
  companions: { alerts: alertRows },
  projections: { monitors: monitorRows },
  create: ['anomaly.observe', 'anomaly.backfill'],
  limits: { stateBytes: 32_768 },
});
