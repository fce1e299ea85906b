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
      day: string;
      status: string;
      score?: number;
      band?: 'high' | 'good' | 'fair' | 'low';
      revision: number;
      points?: { [component: string]: number };
      change?: { [component: string]: number };
      confidence?: number;
      missing?: { component: 'sleep' | 'hrv' | 'rhr' | 'activity' | 'mood'; reason: string }[];
      model?: string;
      computedAt?: number;
    };
  };
  'user:{id}/devices': { kind: 'state'; view: { devices: { [deviceId: string]: { provider: string; label: string; state: string } } } };
  'device:{id}/sync': { kind: 'state'; view: { state: string; lastSyncAt?: number; nextAt?: number } & Can };
  'user:{id}/alerts': { kind: 'log'; item: AlertItem };
  'resource:{id}/anomalies': { kind: 'log'; item: AlertItem };
  'user:{id}/bookings': {
    kind: 'log';
    item: { type: string; bookingId: string; resourceId: string; start: number; end: number; state: string; at: number };
  };
  'anomaly:{id}/scores': { kind: 'state'; view: { condition: string; alerting: string } & Can };
  'resource:{id}/availability': {
    kind: 'state';
    query: 'days' | 'from';
    view: { rev: number; busy: { [claim: string]: { start: number; end: number } } };
  };
  'resource:{id}/schedule': {
    kind: 'state';
    query: 'days' | 'from';
    view: {
      rev: number;
      claims: { [claim: string]: { start: number; end: number; bookingId: string; state: 'held' | 'confirmed' | 'blocked'; label: string } };
    };
  };
  'booking:{id}/status': { kind: 'state'; view: { state: string; start: number; end: number } & Can };
}

export interface Commands {
  booking: {
    'booking.cancel': { input: { reason?: string }; reply: { state: string }; rejects: 'RESCHEDULE_WINDOW_CLOSED' };
  };
  device: {
    'device.sync': { input: {}; reply: { runId: string }; rejects: 'SYNC_IN_PROGRESS' | 'RATE_LIMITED' };
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
