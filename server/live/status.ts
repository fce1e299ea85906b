import { z } from 'zod';
import type { Durability } from '../observe/health.ts';
import { computed } from './computed.ts';
import type { Computed } from './computed.ts';

export const StatusView = z.strictObject({
  status: z.enum(['ok', 'draining']),
  version: z.string(),
  durability: z.enum(['power', 'process', 'none']),
});

/** `system/status`: what everybody may know of the server. */
export function statusTopic(o: { version: string; durability: Durability; wall: () => number }): Computed & { drain(): void } {
  const view = (status: 'ok' | 'draining'): z.output<typeof StatusView> => ({ status, version: o.version, durability: o.durability });
  const topic = computed('system/status', StatusView, view('ok'), o.wall);
  return { ...topic, drain: () => topic.set(view('draining')) };
}
