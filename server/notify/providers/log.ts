import type { Log } from '../../../actors/types.ts';
import type { PushProvider } from '../provider.ts';

/** Writes what would be pushed to the structured log, so that the flow can be seen with no vendor at all. */
export const logProvider = (log: Log): PushProvider => ({
  id: 'log',
  send(target, { id, category, severity, tag, urgency }) {
    log.info({ device: target.token.slice(0, 40), notificationId: id, category, severity, tag, urgency }, 'push');
    return Promise.resolve({ kind: 'sent' });
  },
});
