/** What a person can do from the dashboard; every one of these is a command to an actor, answered after its commit. */
import type { Client } from '@thrum/client';
import { api } from '../lib/http.ts';

export async function book(b: {
  resourceId: string;
  start: number;
  durationMin: number;
  userId: string | undefined;
  key: string;
}): Promise<void> {
  const body = {
    resourceId: b.resourceId,
    start: new Date(b.start).toISOString(),
    durationMin: b.durationMin,
    ...(b.userId === undefined ? {} : { userId: b.userId }),
  };
  await api('POST', '/v1/booking/bookings', body, b.key);
}

export async function reschedule(_client: Client, bookingId: string, start: number, lengthMs: number): Promise<void> {
  const body = { start: new Date(start).toISOString(), durationMin: lengthMs / 60_000 };
  await api('POST', `/v1/booking/bookings/${bookingId}/reschedule`, body, crypto.randomUUID());
}

export async function cancel(_client: Client, bookingId: string, reason: string): Promise<void> {
  await api('POST', `/v1/booking/bookings/${bookingId}/cancel`, reason === '' ? {} : { reason }, crypto.randomUUID());
}
