/**
 * Topics, commands and error codes of the server, as types. Written by `npm run gen` from the zod schemas of the actor kinds; do not edit.
 *
 * Shape:
 *   interface Topics   { '<kind>:{id}/<view>': { kind: 'state'; query?: '<key>' | '<key>'; view: T } | { kind: 'log'; item: T } | { kind: 'signal'; view: T } }
 *                      `query` is present only when the topic declares query keys; `{id}` stands literally for the id of the actor.
 *                      A view with `can: true` has `can?: { self?: string[]; staff?: string[] }`.
 *   interface Commands { '<kind>': { '<module.verb>': { input: T; reply: T; rejects: 'CODE' | 'CODE' | never } } }
 *                      commands that only the platform may send (`allow: platformOnly`) are left out.
 *   type ProblemCode   union of every code of the catalogue.
 */

interface AlertItem {
  type: 'alert.opened' | 'alert.updated' | 'alert.closed';
  id: string;
  key: string;
  monitor: string;
  owner: string;
  metric: string;
  unit: string;
  status: 'open' | 'acknowledged' | 'closed';
  severity: 'none' | 'low' | 'medium' | 'high' | 'critical';
  title: string;
  explanation: string;
  at: number;
  value: number;
  expected: number;
  band: { lower: number; upper: number };
  openedAt: number;
  ackAt?: number;
}

interface Can {
  can?: { [role: string]: string[] };
}

export interface Topics {
  'user:{id}/energy': {
    kind: 'state';
    view: {
      day?: string;
      today: string;
      status: 'waiting' | 'ok' | 'insufficient_data';
      score?: number;
      band?: 'high' | 'good' | 'fair' | 'low';
      revision?: number;
      points?: { sleep?: number; hrv?: number; rhr?: number; activity?: number; mood?: number };
      change?: { score: number; parts: { [component: string]: { points: number; reweighted?: true } } };
      confidence?: number;
      confidenceLevel?: 'high' | 'medium' | 'low';
      missing?: { component: 'sleep' | 'hrv' | 'rhr' | 'activity' | 'mood'; reason: 'no_data' | 'calibrating' | 'stale_source' | 'not_logged' }[];
      model?: string;
      computedAt?: number;
      stale?: true;
      hrvMs?: number;
      restingBpm?: number;
      days: { [day: string]: { score?: number; band?: 'high' | 'good' | 'fair' | 'low'; hrvMs?: number; restingBpm?: number; sleepH?: number; load?: number } };
    };
  };
  'user:{id}/devices': {
    kind: 'state';
    view: { devices: { [deviceId: string]: { id: string; provider: string; label: string; state: string; lastSyncAt?: number } } };
  };
  'device:{id}/sync': { kind: 'state'; view: { id: string; label: string; state: string; lastSyncAt?: number; nextAt?: number; error?: string } & Can };
  'user:{id}/alerts': { kind: 'log'; item: AlertItem };
  'resource:{id}/anomalies': { kind: 'log'; item: AlertItem };
  'user:{id}/bookings': {
    kind: 'log';
    item: {
      type: 'held' | 'confirmed' | 'rescheduled' | 'reschedule_failed' | 'cancelled' | 'expired' | 'completed';
      bookingId: string;
      resourceId: string;
      start: string;
      end: string;
      sequence: number;
      at: string;
      other?: { resourceId: string; start: string; end: string };
      reason?: string;
    };
  };
  'anomaly:{id}/scores': { kind: 'state'; view: { condition: string; alerting: string } & Can };
  'resource:{id}/availability': {
    kind: 'state';
    query: 'days' | 'from';
    view: {
      resourceId: string;
      name: string;
      status: 'active' | 'suspended' | 'retired';
      rev: number;
      timeZone: string;
      capacity: number;
      slotStepMin: number;
      from: string;
      days: number;
      start: string;
      end: string;
      open: { [start: string]: { start: string; end: string } };
      busy: { [start: string]: { start: string; end: string; used: number } };
    };
  };
  'resource:{id}/schedule': {
    kind: 'state';
    query: 'days' | 'from';
    view: {
      resourceId: string;
      name: string;
      status: 'active' | 'suspended' | 'retired';
      rev: number;
      timeZone: string;
      capacity: number;
      slotStepMin: number;
      from: string;
      days: number;
      start: string;
      end: string;
      open: { [start: string]: { start: string; end: string } };
      claims: {
        [claim: string]: {
          claimId: string;
          bookingId: string;
          start: string;
          end: string;
          bufferBeforeMin: number;
          bufferAfterMin: number;
          unit?: number;
          qty: number;
          state: 'held' | 'confirmed' | 'blocked';
        };
      };
    };
  };
  'booking:{id}/status': {
    kind: 'state';
    view: { bookingId: string; resourceId: string; userId: string; state: string; start: string; end: string; durationMin: number } & Can;
  };
}

export interface Commands {
  booking: {
    'booking.cancel': { input: { reason?: string }; reply: { state: string }; rejects: 'RESCHEDULE_WINDOW_CLOSED' };
  };
  device: {
    'device.sync': { input: {}; reply: { syncId: string; state: string }; rejects: 'SYNC_IN_PROGRESS' | 'SYNC_TOO_SOON' };
  };
  anomaly: {
    'anomaly.acknowledge': { input: { alertId: string; note?: string }; reply: { repeated: boolean }; rejects: 'NOT_FOUND' | 'ALERT_CLOSED' };
    'anomaly.feedback': {
      input: { alertId: string; label: 'true_positive' | 'false_positive' };
      reply: { repeated: boolean };
      rejects: 'NOT_FOUND';
    };
  };
}

export type ProblemCode = 'VALIDATION' | 'UNAUTHENTICATED' | 'FORBIDDEN' | 'NOT_FOUND' | 'NOT_ALLOWED' | 'SLOT_UNAVAILABLE' | 'COMMIT_UNKNOWN';
