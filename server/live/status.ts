import { z } from 'zod';
import type { Durability } from '../observe/health.ts';
import { computed } from './computed.ts';
import type { Computed } from './computed.ts';

export const StatusView = z.strictObject({
  status: z.enum(['ok', 'degraded', 'draining']).describe('degraded: nodes cannot hear each other, views may be some seconds old'),
  version: z.string(),
  durability: z.enum(['power', 'process', 'none']),
});
type View = z.output<typeof StatusView>;

/** `system/status`: what everybody may know of the node that he is connected to. */
export function statusTopic(o: {
  version: string;
  durability: Durability;
  wall: () => number;
}): Computed & { drain(): void; degraded(yes: boolean): void } {
  const view = (status: View['status']): View => ({ status, version: o.version, durability: o.durability });
  const topic = computed('system/status', StatusView, view('ok'), o.wall);
  let draining = false;
  return {
    ...topic,
    degraded: (yes) => !draining && topic.set(view(yes ? 'degraded' : 'ok')),
    drain() {
      draining = true;
      topic.set(view('draining'));
    },
  };
}
