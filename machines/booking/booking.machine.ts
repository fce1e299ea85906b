import { enqueueActions, setup } from 'xstate';
import { kernel } from '../../actors/define.ts';
import { from, now } from '../../actors/scope.ts';
import { newBooking, startOf, type BookingContext } from './booking.state.ts';
import * as steps from './booking.steps.ts';
import { fingerprintOf, type BookingRequest, type Reschedule } from './schema.ts';
import { perform, reject } from './step.ts';

export type BookingEvent =
  | ({ type: 'booking.request' } & BookingRequest)
  | { type: 'booking.confirm' }
  | ({ type: 'booking.reschedule' } & Reschedule)
  | { type: 'booking.cancel'; reason?: string }
  | { type: 'claim.held'; claimId: string; unit: number; confirmed: boolean }
  | { type: 'claim.confirmed'; claimId: string }
  | { type: 'claim.swapped'; claimId: string }
  | { type: 'claim.released'; claimId: string }
  | { type: 'claim.lost'; claimId: string }
  | { type: 'claim.inquire'; claimId: string }
  | { type: 'thrum.undelivered'; to: string; command: string; code: string; details?: { claimId?: string } };

type EventOf<T extends BookingEvent['type']> = Extract<BookingEvent, { type: T }>;
/** The event as the transition that names the guard or action receives it. */
const as = <T extends BookingEvent['type']>(event: BookingEvent, _type: T): EventOf<T> => event as EventOf<T>;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const AGAIN_MS = 30_000;
/** Hard limit of 31 days; the resource's own limit is lower and gives the same refusal. */
const MAX_MINUTES = 44_640;

/** A command of a release, confirm or swap that never arrived: it is asked again after a while, unless there is nobody to ask. */
const isGone = (code: string): boolean => code === 'NOT_FOUND' || code === 'ACTOR_ERASED' || code === 'NOT_ALLOWED';

/** The claim is given back, or there is nobody left to give it back to. */
function isOver({ claim }: BookingContext, event: BookingEvent): boolean {
  if (event.type === 'claim.released') return event.claimId === claim?.id;
  return event.type === 'thrum.undelivered' && event.command === 'claim.release' && isGone(event.code);
}

/**
 * One booking, from the request to its end: a saga over the resource that grants its claim. Invariants B1 to B12 in SPEC.md.
 *
 * Region `life` is the booking. Region `payment` waits for the payment module and has one state until then. Resting ends are ordinary
 * states tagged `terminal`, because a refused request may be made again and late payments will arrive after the end.
 * An answer counts only for the claim that is asked for now: claim ids contain the attempt, so answers of older attempts match nothing.
 */
export const bookingMachine = setup({
  types: { context: {} as BookingContext, events: {} as BookingEvent, input: {} as { id: string } },
  delays: {
    ACQUIRE_MS: steps.ACQUIRE_MS,
    AGAIN_MS,
    holdEnds: ({ context }) => Math.max(1, (context.expiresAt ?? 0) - now()),
    untilStart: ({ context }) => Math.max(1, context.start - now()),
    untilEnd: ({ context }) => Math.max(1, context.end - now()),
  },
  guards: {
    idIsNoUuid: ({ context }) => !UUID.test(context.id),
    isMisdated: ({ event }) => {
      const e = as(event, 'booking.request');
      return (e.start !== undefined || e.localStart !== undefined) && !startOf(e).ok;
    },
    isMisdatedMove: ({ context, event }) => {
      const e = as(event, 'booking.reschedule');
      return (e.start !== undefined || e.localStart !== undefined) && !startOf({ ...e, timeZone: e.timeZone ?? context.timeZone }).ok;
    },
    isSameRequest: ({ context, event }) => fingerprintOf(steps.bodyOf(as(event, 'booking.request'))) === context.fingerprint,
    isSamePlace: ({ context, event }) => steps.isSame(context, as(event, 'booking.reschedule')),
    isOwnClaim: ({ context, event }) => context.claim?.id === as(event, 'claim.held').claimId,
    isOwnClaimFinal: ({ context, event }) => {
      const e = as(event, 'claim.held');
      return context.claim?.id === e.claimId && e.confirmed;
    },
    isNextClaim: ({ context, event }) => context.next?.claim.id === as(event, 'claim.held').claimId,
    isHoldRefused: ({ context, event }) => {
      const e = as(event, 'thrum.undelivered');
      return e.command === 'claim.hold' && (e.details?.claimId ?? context.claim?.id) === context.claim?.id;
    },
    isNextRefused: ({ context, event }) => {
      const e = as(event, 'thrum.undelivered');
      return e.command === 'claim.hold' && (e.details?.claimId ?? context.next?.claim.id) === context.next?.claim.id;
    },
    isOver: ({ context, event }) => isOver(context, event),
    isOverExpired: ({ context, event }) => isOver(context, event) && context.outcome === 'expired',
    isOverCancelled: ({ context, event }) => isOver(context, event) && context.outcome === 'cancelled',
    isConfirmMoot: ({ event }) => {
      const e = as(event, 'thrum.undelivered');
      return (e.command === 'claim.confirm' || e.command === 'claim.swap') && isGone(e.code);
    },
    isCancelPending: ({ context }) => context.pendingCancel,
    isTooLong: ({ event }) => Math.abs(as(event, 'booking.request').durationMin ?? 0) > MAX_MINUTES,
    isStaff: () => (from().kind !== 'user' && from().kind !== 'anonymous') || from().roles.some((r) => r === 'staff' || r === 'admin'),
  },
  actions: {
    ...kernel.actions,
    begin: enqueueActions(({ context, event, enqueue }) => perform(enqueue, steps.begin(context, as(event, 'booking.request')))),
    refuseId: enqueueActions(({ enqueue }) => perform(enqueue, { out: [reject('VALIDATION', { path: 'id', message: 'must be a UUID' })] })),
    refuseTime: enqueueActions(({ context, event, enqueue }) =>
      perform(
        enqueue,
        steps.refuseTime(
          context,
          event.type === 'booking.reschedule' ? { ...event, timeZone: event.timeZone ?? context.timeZone } : as(event, 'booking.request'),
        ),
      ),
    ),
    accept: enqueueActions(({ context, enqueue }) => perform(enqueue, { out: [steps.accepted(context, false)] })),
    acceptAgain: enqueueActions(({ context, enqueue }) => perform(enqueue, { out: [steps.accepted(context, true)] })),
    askHold: enqueueActions(({ context, enqueue }) => perform(enqueue, steps.askHold(context))),
    granted: enqueueActions(({ context, event, enqueue }) => perform(enqueue, steps.granted(context, as(event, 'claim.held')))),
    refuse: enqueueActions(({ context, event, enqueue }) => perform(enqueue, steps.refuse(context, as(event, 'thrum.undelivered')))),
    timeOut: enqueueActions(({ context, enqueue }) => perform(enqueue, steps.timeOut(context))),
    decide: enqueueActions(({ context, enqueue }) => perform(enqueue, steps.decide(context))),
    askConfirm: enqueueActions(({ context, enqueue }) => perform(enqueue, steps.askConfirm(context))),
    lose: enqueueActions(({ context, enqueue }) => perform(enqueue, steps.lose(context))),
    expire: enqueueActions(({ enqueue }) => perform(enqueue, steps.expire())),
    cancelNow: enqueueActions(({ event, enqueue }) => perform(enqueue, steps.cancelNow(as(event, 'booking.cancel')))),
    cancelLater: enqueueActions(({ event, enqueue }) => perform(enqueue, steps.cancelLater(as(event, 'booking.cancel')))),
    askRelease: enqueueActions(({ context, enqueue }) => perform(enqueue, steps.askRelease(context))),
    released: enqueueActions(({ context, enqueue }) => perform(enqueue, steps.released(context))),
    wish: enqueueActions(({ context, event, enqueue }) => perform(enqueue, steps.wish(context, as(event, 'booking.reschedule')))),
    askNext: enqueueActions(({ context, enqueue }) => perform(enqueue, steps.askNext(context))),
    nextGranted: enqueueActions(({ context, event, enqueue }) => perform(enqueue, steps.nextGranted(context, as(event, 'claim.held')))),
    askSwap: enqueueActions(({ context, enqueue }) => perform(enqueue, steps.askSwap(context))),
    move: enqueueActions(({ context, enqueue }) => perform(enqueue, steps.move(context))),
    stayRefused: enqueueActions(({ context, event, enqueue }) =>
      perform(enqueue, steps.stay(context, steps.refusedBy(context, as(event, 'thrum.undelivered')), false)),
    ),
    stayTimedOut: enqueueActions(({ context, enqueue }) =>
      perform(enqueue, steps.stay(context, steps.abandoned(context, 'TIMEOUT'), true)),
    ),
    stayStarted: enqueueActions(({ context, enqueue }) =>
      perform(enqueue, steps.stay(context, steps.abandoned(context, 'NOT_ALLOWED'), true)),
    ),
    stayLost: enqueueActions(({ context, enqueue }) =>
      perform(enqueue, steps.stay(context, steps.abandoned(context, 'SLOT_UNAVAILABLE'), true)),
    ),
    enterHeld: enqueueActions(({ context, enqueue }) => perform(enqueue, steps.enter(context, 'held.open', 'held'))),
    enterConfirmed: enqueueActions(({ context, enqueue }) => perform(enqueue, steps.enter(context, 'confirmed.upcoming', 'confirmed'))),
    saveUpcoming: enqueueActions(({ context, enqueue }) => perform(enqueue, steps.enter(context, 'confirmed.upcoming', undefined))),
    enterStarted: enqueueActions(({ context, enqueue }) => perform(enqueue, steps.enter(context, 'confirmed.started', undefined))),
    enterCompleted: enqueueActions(({ context, enqueue }) => perform(enqueue, steps.enter(context, 'completed', 'completed'))),
    enterCancelled: enqueueActions(({ context, enqueue }) => perform(enqueue, steps.leave(context, 'cancelled', 'cancelled'))),
    enterExpired: enqueueActions(({ context, enqueue }) => perform(enqueue, steps.leave(context, 'expired', 'expired'))),
    enterRejected: enqueueActions(({ context, enqueue }) => perform(enqueue, steps.leave(context, 'rejected', undefined))),
    answerInquiry: enqueueActions(({ context, event, enqueue }) =>
      perform(enqueue, steps.answerInquiry(context, as(event, 'claim.inquire'))),
    ),
  },
}).createMachine({
  id: 'booking',
  type: 'parallel',
  context: ({ input }) => newBooking(input.id),
  on: {
    // a repeated request finds its booking in whatever state it is; only a refused one begins anew (state rejected)
    'booking.request': [
      { guard: 'isSameRequest', actions: 'acceptAgain' },
      { actions: { type: 'reject', params: { code: 'IDEMPOTENCY_MISMATCH' } } },
    ],
    'claim.inquire': { actions: 'answerInquiry' },
  },
  states: {
    life: {
      initial: 'new',
      states: {
        new: {
          on: {
            'booking.request': [
              { guard: 'idIsNoUuid', actions: 'refuseId' },
              { guard: 'isMisdated', actions: 'refuseTime' },
              { guard: 'isTooLong', actions: { type: 'reject', params: { code: 'INVALID_DURATION' } } },
              { target: 'acquiring', actions: 'begin' },
            ],
          },
        },
        acquiring: {
          entry: 'askHold',
          after: { ACQUIRE_MS: { target: 'releasing', actions: 'timeOut' } },
          on: {
            'claim.held': [
              { guard: 'isOwnClaimFinal', target: 'confirmed', actions: ['granted', 'enterConfirmed'] },
              { guard: 'isOwnClaim', target: 'held', actions: 'granted' },
            ],
            'thrum.undelivered': { guard: 'isHoldRefused', target: 'rejected', actions: 'refuse' },
            'booking.cancel': { target: 'releasing', actions: ['cancelNow', 'accept'] },
          },
        },
        held: {
          initial: 'open',
          states: {
            open: {
              entry: 'enterHeld',
              after: { holdEnds: { target: '#booking.life.releasing', actions: 'expire' } },
              on: {
                'booking.confirm': { target: '#booking.life.confirming', actions: 'accept' },
                'booking.cancel': { target: '#booking.life.releasing', actions: ['cancelNow', 'accept'] },
              },
            },
          },
        },
        // the decision is journaled: from here it only goes forward
        confirming: {
          entry: ['decide', 'askConfirm'],
          after: { AGAIN_MS: { target: 'confirming', reenter: true } },
          on: {
            'claim.confirmed': { guard: 'isOwnClaim', target: 'confirmed', actions: 'enterConfirmed' },
            'claim.lost': { guard: 'isOwnClaim', target: 'rejected', actions: 'lose' },
            'thrum.undelivered': { guard: 'isConfirmMoot', target: 'rejected', actions: 'lose' },
            'booking.cancel': { actions: ['cancelLater', 'accept'] },
          },
        },
        confirmed: {
          initial: 'upcoming',
          states: {
            upcoming: {
              always: { guard: 'isCancelPending', target: '#booking.life.cancelling' },
              after: { untilStart: { target: 'started' } },
              on: {
                'booking.reschedule': [
                  { guard: 'isMisdatedMove', actions: 'refuseTime' },
                  { guard: 'isTooLong', actions: { type: 'reject', params: { code: 'INVALID_DURATION' } } },
                  { guard: 'isSamePlace', actions: { type: 'reject', params: { code: 'NO_CHANGE' } } },
                  { target: '#booking.life.rescheduling', actions: 'wish' },
                ],
                'booking.cancel': { target: '#booking.life.cancelling', actions: ['cancelNow', 'accept'] },
              },
            },
            started: {
              entry: 'enterStarted',
              after: { untilEnd: { target: '#booking.life.completed' } },
              on: { 'booking.cancel': { guard: 'isStaff', target: '#booking.life.cancelling', actions: ['cancelNow', 'accept'] } },
            },
          },
        },
        rescheduling: {
          initial: 'acquiring',
          states: {
            acquiring: {
              entry: 'askNext',
              after: {
                ACQUIRE_MS: { target: '#booking.life.confirmed', actions: ['stayTimedOut', 'saveUpcoming'] },
                untilStart: { target: '#booking.life.confirmed', actions: ['stayStarted', 'saveUpcoming'] },
              },
              on: {
                'claim.held': { guard: 'isNextClaim', target: 'swapping', actions: 'nextGranted' },
                'thrum.undelivered': {
                  guard: 'isNextRefused',
                  target: '#booking.life.confirmed',
                  actions: ['stayRefused', 'saveUpcoming'],
                },
                'booking.cancel': { target: '#booking.life.cancelling', actions: ['cancelNow', 'accept'] },
              },
            },
            swapping: {
              entry: 'askSwap',
              after: { AGAIN_MS: { target: 'swapping', reenter: true } },
              on: {
                'claim.swapped': { guard: 'isNextClaim', target: '#booking.life.confirmed', actions: ['move', 'saveUpcoming'] },
                'claim.confirmed': { guard: 'isNextClaim', target: '#booking.life.confirmed', actions: ['move', 'saveUpcoming'] },
                'claim.lost': { guard: 'isNextClaim', target: '#booking.life.confirmed', actions: ['stayLost', 'saveUpcoming'] },
                'thrum.undelivered': {
                  guard: 'isConfirmMoot',
                  target: '#booking.life.confirmed',
                  actions: ['stayLost', 'saveUpcoming'],
                },
                'booking.cancel': { actions: ['cancelLater', 'accept'] },
              },
            },
          },
        },
        cancelling: {
          entry: 'askRelease',
          after: { AGAIN_MS: { target: 'cancelling', reenter: true } },
          on: {
            'claim.released': { guard: 'isOver', target: 'cancelled', actions: 'released' },
            'thrum.undelivered': { guard: 'isOver', target: 'cancelled', actions: 'released' },
          },
        },
        releasing: {
          entry: 'askRelease',
          after: { AGAIN_MS: { target: 'releasing', reenter: true } },
          on: {
            'claim.released': [
              { guard: 'isOverExpired', target: 'expired', actions: 'released' },
              { guard: 'isOverCancelled', target: 'cancelled', actions: 'released' },
              { guard: 'isOver', target: 'rejected', actions: 'released' },
            ],
            'thrum.undelivered': [
              { guard: 'isOverExpired', target: 'expired', actions: 'released' },
              { guard: 'isOverCancelled', target: 'cancelled', actions: 'released' },
              { guard: 'isOver', target: 'rejected', actions: 'released' },
            ],
          },
        },
        rejected: {
          tags: ['terminal'],
          entry: 'enterRejected',
          on: {
            'booking.request': [
              { guard: 'isMisdated', actions: 'refuseTime' },
              { guard: 'isTooLong', actions: { type: 'reject', params: { code: 'INVALID_DURATION' } } },
              { target: 'acquiring', actions: 'begin' },
            ],
          },
        },
        expired: { tags: ['terminal'], entry: 'enterExpired' },
        cancelled: { tags: ['terminal'], entry: 'enterCancelled' },
        completed: { tags: ['terminal'], entry: 'enterCompleted' },
      },
    },
    payment: { initial: 'none', states: { none: { meta: { resting: 'payments come with their own module' } } } },
  },
});
