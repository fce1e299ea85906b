/**
 * Topics, commands and error codes of the server, as types. Written by `npm run gen` from the zod schemas of the actor kinds; do not edit.
 *
 * Shape:
 *   interface Topics   { '<kind>:{id}/<view>': { kind: 'state'; query?: '<key>' | '<key>'; view: T } | { kind: 'log'; item: T } | { kind: 'signal'; view: T } }
 *                      `query` is present only when the topic declares query keys; `{id}` stands literally for the id of the actor.
 *   interface Commands { '<kind>': { '<module.verb>': { input: T; reply: T; rejects: 'CODE' | 'CODE' | never } } }
 *                      commands that only the platform may send (`allow: platformOnly`) are left out.
 *   type ProblemCode   union of every code of the catalogue.
 */

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
      model?: string;
      computedAt?: number;
    };
  };
  'user:{id}/alerts': { kind: 'log'; item: { type: string; at: number; [field: string]: unknown } };
  'resource:{id}/availability': {
    kind: 'state';
    query: 'days' | 'from';
    view: { rev: number; busy: { [claim: string]: { start: number; end: number } } };
  };
}

export interface Commands {
  booking: {
    'booking.cancel': { input: { reason?: string }; reply: { state: string }; rejects: 'RESCHEDULE_WINDOW_CLOSED' };
  };
}

export type ProblemCode = 'VALIDATION' | 'UNAUTHENTICATED' | 'FORBIDDEN' | 'NOT_FOUND' | 'NOT_ALLOWED' | 'SLOT_UNAVAILABLE' | 'COMMIT_UNKNOWN';
