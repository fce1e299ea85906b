import { randomUUID } from 'node:crypto';
import { sign } from '../../webhooks/signature.ts';

/** A message that the simulated provider sends; the same id is the same delivery, however often it goes out. */
export interface Message {
  readonly id: string;
  readonly body: object;
}

export const newMessage = (body: object): Message => ({ id: `msg_${randomUUID()}`, body });

export interface SimulatorSender {
  /** Signs and posts to our own intake. @throws Error when it is not taken after three attempts */
  send(m: Message, at?: number): Promise<void>;
}

export function createSimulatorSender(o: {
  baseUrl: () => string;
  secret: string;
  now: () => number;
  fetch: typeof fetch;
}): SimulatorSender {
  return {
    async send(m, at) {
      const body = JSON.stringify(m.body);
      let status = 0;
      for (let attempt = 0; attempt < 3; attempt += 1) {
        const timestamp = Math.floor((at ?? o.now()) / 1000);
        const res = await o.fetch(new URL('/v1/webhooks/simulator', o.baseUrl()), {
          method: 'POST',
          redirect: 'error',
          signal: AbortSignal.timeout(15_000),
          headers: {
            'content-type': 'application/json',
            'webhook-id': m.id,
            'webhook-timestamp': String(timestamp),
            'webhook-signature': sign(o.secret, m.id, timestamp, body),
          },
          body,
        });
        await res.arrayBuffer();
        if (res.ok) return;
        status = res.status;
        if (status < 500 && status !== 429) break;
      }
      throw new Error(`the intake answered ${status}`);
    },
  };
}
